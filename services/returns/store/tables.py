"""The tables of returns."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, Table, Text, text

from shared.db.types import Json, Key, Timestamp
from shared.messaging.schema import messaging_tables

metadata = MetaData()

returnables = Table(
    "returnables",
    metadata,
    Column("order_id", Key, primary_key=True),
    Column("traceparent", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("channel", Key),
    Column("external_id", Key),
    Column("currency", Text),
    Column("allocations", Json),
    Column("delivered", Json, nullable=False),
    Column("sent_back", Json, nullable=False),
    Column("refunded", Json, nullable=False),
    Column("undelivered", Json, nullable=False, server_default="{}"),
    # Not unique: that an order's name is its own is for orders to see to.
    Index("returnables_external", "external_id", "channel"),
    postgresql_with={"fillfactor": "80"},
)
"""One row per order heard of, the lock of everything about it; no personal data. The columns from `channel` to
`allocations` come with the confirmation; `delivered` is parcel id -> time, `sent_back` parcel ids, `undelivered`
parcel id -> why it never arrives, `refunded` return ids."""

returns = Table(
    "returns",
    metadata,
    Column("return_id", Key, primary_key=True),
    Column("order_id", Key, nullable=False),
    Column("origin", Key, nullable=False),
    Column("reference", Key),
    Column("state", Key, nullable=False),
    Column("units", Json, nullable=False),
    Column("authorized_at", Timestamp, nullable=False),
    Column("authorized_by", Text, nullable=False),
    Column("expires_at", Timestamp),
    Column("place_id", Key),
    Column("received_units", Json),
    Column("value", BigInteger),
    Column("currency", Text),
    Column("received_at", Timestamp),
    Column("received_by", Text),
    Column("rejected_reason", Text),
    Column("rejected_at", Timestamp),
    Column("rejected_by", Text),
    Column("refunded", Boolean, nullable=False),
    # The same reference of an order is the same return, whatever an idempotency key forgot.
    Index("returns_order", "order_id", "reference", unique=True),
    Index("returns_authorized", "authorized_at", "return_id"),
    Index("returns_state", "state", "authorized_at", "return_id"),
    Index("returns_expiring", "expires_at", "order_id", postgresql_where=text("state = 'authorized'")),
)
"""One row per return; `state` is derived from the other columns and kept for searching."""

messaging_tables(metadata)
