"""The tables of orders."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from shared.db.types import Json, Key, Timestamp
from shared.messaging.schema import messaging_tables

metadata = MetaData()

orders = Table(
    "orders",
    metadata,
    Column("id", Key, primary_key=True),
    Column("channel", Key, nullable=False),
    Column("external_id", Key, nullable=False),
    Column("state", Key, nullable=False),
    Column("version", Integer, nullable=False),
    Column("traceparent", Text),
    Column("placed_at", Timestamp),
    Column("changed_at", Timestamp, nullable=False),
    Column("deadline_at", Timestamp),
    Column("is_open", Boolean, nullable=False),
    Column("needs_attention", Boolean, nullable=False),
    Column("currency", Text),
    Column("total", BigInteger, nullable=False),
    Column("captured", BigInteger, nullable=False),
    Column("refunds", BigInteger, nullable=False),
    Column("customer_name", Text),
    Column("customer_email", Key),
    Column("fingerprint", Text),
    Column("body", Json),
    Column("reservation", Json),
    Column("facts", Json, nullable=False),
    UniqueConstraint("channel", "external_id", name="orders_name"),
    Index("orders_email", "customer_email", "id", postgresql_where=text("customer_email IS NOT NULL")),
    # An update that changes none of these columns stays within its page (HOT), so there are few of them and
    # `deadline_at` is moved lazily: it is never later than the next deadline, but may be earlier.
    Index("orders_deadline", "deadline_at", postgresql_where=text("deadline_at IS NOT NULL")),
    Index("orders_open", "id", postgresql_where=text("is_open")),
    Index("orders_expected", "id", postgresql_where=text("placed_at IS NULL")),
    Index("orders_attention", "id", postgresql_where=text("needs_attention")),
    postgresql_with={"fillfactor": "60"},
)
"""One row per order. `body` is the order as captured and never changes; `reservation` is what inventory held,
with its places' addresses; `facts` is everything that is known (domain/facts.py). The other columns are
worked out from these and kept for searching. Money in minor units; `refunds` is what was paid back or is
being paid back.

A row whose `placed_at` is null (state `expected`) is no order: a cancellation came before its order and
waits here, under the order's name, so that whoever comes second finds the other whatever the timing."""

order_timeline = Table(
    "order_timeline",
    metadata,
    Column("order_id", Key, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("at", Timestamp, nullable=False),
    Column("kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("message_id", Text),
    Column("detail", Json, nullable=False),
    Column("said", Json, nullable=False),
    PrimaryKeyConstraint("order_id", "sequence", name="order_timeline_pkey"),
)
"""What happened to each order, in the order in which we learnt it; only ever added to. One row is one thing
heard or done, with what was said because of it. `sequence` is the order's version then; each thing said has
its own, which is the `ce_sequence` of its event."""

messaging_tables(metadata)
