"""A long past: finished orders in every table of every service, written set-based from a few that really happened.

The rows have the shape, the size and the spread in time of real ones, whatever the schema: columns that name an order,
a parcel or a return get names of their own, moments are moved, everything else is copied from the template. Documents
still name the template's ids, and counters of stock know nothing of it: good for plans and sizes, not for audits.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql

CHUNK = 100_000

TABLES: Mapping[str, Mapping[str, str]] = {
    "orders": {"orders": "id", "order_timeline": "order_id"},
    "inventory": {"reservations": "order_id", "allocations": "order_id", "parcels": "order_id", "ledger": "cause_id",
                  "receipts": "order_id"},
    "fulfillment": {"fulfillment_orders": "order_id", "shipments": "order_id", "timeline": "shipment_id",
                    "scans": "shipment_id"},
    "returns": {"returnables": "order_id", "returns": "order_id"},
    "notifications": {"contacts": "order_id", "deliveries": "order_id"},
}  # fmt: skip
"""Tables that grow with every order, and the column by which a row belongs to one."""

# Of the order `m` that is made, for the row `t` that is copied.
_NAMED = {
    "order_id": "m.order_id",
    "shipment_id": "m.shipment_id",
    "return_id": "m.return_id",
    "external_id": "m.name || '-' || m.n",
    "tracking_number": "'T-' || m.name || m.n",
    "sku": "'GUARD-' || to_char(mod(m.n, 500), 'FM000')",
    "message_id": "md5(t.ctid::text || m.n)::uuid::text",
    "reservation_id": "md5(m.name || 'r' || m.n)::uuid::text",
    "reference": "t.reference || m.n",
    "scan_id": "md5(t.scan_id || m.n)::uuid::text",
    "cause": "md5(t.cause || m.n)::uuid::text",
    "customer_email": "'guard' || mod(m.n, 100000) || '@example.com'",
}
_SPECIAL = {
    ("orders", "id"): "m.order_id",
    ("deliveries", "recipient"): "'guard' || mod(m.n, 100000) || '@example.com'",
    ("deliveries", "delivery_id"): "overlay(t.delivery_id placing left(m.order_id, 18) from 1)",
    # Mails of finished orders were sent.
    ("deliveries", "state"): "'sent'",
    ("deliveries", "sent_at"): "m.at",
    (
        "ledger",
        "cause_id",
    ): "CASE t.cause_id WHEN k.order_id THEN m.order_id WHEN k.shipment_id THEN m.shipment_id"
    " ELSE m.return_id END",
}

_MADE = """
CREATE TEMP TABLE made AS
SELECT n, %(name)s::text AS name, at, like_kind, md5(%(name)s || 's' || n)::uuid::text AS shipment_id,
       stamp || '-7000-8000-' || lpad(to_hex(n), 12, '0') AS order_id,
       stamp || '-7000-8001-' || lpad(to_hex(n), 12, '0') AS return_id
FROM (SELECT n, at, CASE WHEN mod(n, 10) < 8 THEN 0 ELSE mod(n, 10) - 7 END AS like_kind,
             overlay(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') placing '-' from 9 for 0) AS stamp
      FROM (SELECT n, %(first)s::timestamptz
                      + (%(last)s::timestamptz - %(first)s::timestamptz) * (n::float / %(total)s) AS at
            FROM generate_series(%(low)s::bigint, %(high)s::bigint) n) moments) stamped
"""


@dataclass(frozen=True, slots=True)
class Template:
    """An order that is over, and what belongs to it ('' where there is none)."""

    order_id: str
    shipment_id: str = ""
    return_id: str = ""


@dataclass(frozen=True, slots=True)
class Past:
    """What a history is made from: three orders that are over, placed at `began` or later, and by service how many
    messages an order is."""

    templates: Sequence[Template]
    messages: Mapping[str, int]
    began: datetime
    name: str = "history"


def write(
    urls: Mapping[str, str],
    past: Past,
    *,
    first: datetime,
    last: datetime,
    total: int,
    numbers: range | None = None,
    inbox_days: float = 21.0,
    writers: int = 1,
) -> None:
    """Orders `numbers` (default: all) of `total` spread evenly from `first` to `last`, in all five databases.

    `urls` are libpq addresses by service. Of ten orders eight are like the first template, one is like each of the
    others. Messages are remembered for the last `inbox_days`. Each database gets so many `writers`, each with a part of
    the time. Tables are not analysed.
    """
    span = {"first": first, "last": last, "total": total}
    wanted = numbers or range(total)
    step = -(-len(wanted) // writers)
    with ThreadPoolExecutor(len(urls) * writers) as pool:
        done = [
            pool.submit(_fill, url, service, past, span, inbox_days, wanted[low : low + step])
            for low in range(0, len(wanted), step)
            for service, url in urls.items()
        ]
        for each in done:
            each.result()


def _fill(
    url: str, service: str, past: Past, span: Mapping[str, object], inbox_days: float, numbers: range
) -> None:
    tables = TABLES[service]
    with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute("SET synchronous_commit = off; SET timezone = 'UTC'")
        connection.execute(
            "CREATE TEMP TABLE kinds (like_kind int, order_id text, shipment_id text, return_id text)"
        )
        for kind, each in enumerate(past.templates):
            row = (kind, each.order_id, each.shipment_id, each.return_id)
            connection.execute("INSERT INTO kinds VALUES (%s, %s, %s, %s)", row)
        for table, column in tables.items():
            connection.execute(_template(table, column))
        for low in range(numbers.start, numbers.stop, CHUNK):
            chunk = {"low": low + 1, "high": min(low + CHUNK, numbers.stop)}
            connection.execute(_MADE, {**span, **chunk, "name": past.name})
            for table in tables:
                connection.execute(_copy(connection, table), (past.began,))
            connection.execute(_INBOX, (past.messages[service], inbox_days))
            connection.execute("DROP TABLE made")


def _template(table: str, column: str) -> sql.Composed:
    return sql.SQL(
        "CREATE TEMP TABLE {} AS SELECT t.*, k.like_kind FROM {} t JOIN kinds k"
        " ON t.{} IN (k.order_id, k.shipment_id, k.return_id) AND t.{} <> ''"
    ).format(
        sql.Identifier(f"like_{table}"), sql.Identifier(table), sql.Identifier(column), sql.Identifier(column)
    )


def _copy(connection: psycopg.Connection, table: str) -> sql.Composed:
    columns = connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = %s AND is_identity = 'NO' ORDER BY ordinal_position",
        (table,),
    ).fetchall()
    values = [_value(table, name, kind) for name, kind in columns]
    return sql.SQL(
        "INSERT INTO {} ({}) SELECT {} FROM made m JOIN kinds k USING (like_kind)"
        " JOIN {} t USING (like_kind) CROSS JOIN (SELECT %s::timestamptz AS began) b ORDER BY m.n"
    ).format(
        sql.Identifier(table),
        sql.SQL(", ").join(sql.Identifier(name) for name, _ in columns),
        sql.SQL(", ").join(sql.SQL(value) for value in values),
        sql.Identifier(f"like_{table}"),
    )


def _value(table: str, column: str, kind: str) -> str:
    if (table, column) in _SPECIAL:
        return _SPECIAL[table, column]
    if column in _NAMED:
        return _NAMED[column]
    return f"m.at + (t.{column} - b.began)" if kind == "timestamp with time zone" else f"t.{column}"


# Ours are ordered by time as orders are, others' are hashes: half of each.
_INBOX = """
INSERT INTO inbox (message_id, consumer, received_at)
SELECT CASE mod(i, 2) WHEN 0 THEN overlay(m.order_id placing left(md5(i::text), 4) from 20)::uuid
       ELSE md5(concat(m.name, ' ', m.n, ' ', i))::uuid END, 'history', m.at
FROM made m CROSS JOIN generate_series(1, %s) i WHERE m.at > now() - make_interval(secs => %s * 86400) ORDER BY m.n
"""
