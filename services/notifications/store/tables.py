"""The tables of notifications."""

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from shared.db.types import Json, Key, Timestamp
from shared.messaging.schema import messaging_tables

metadata = MetaData()

contacts = Table(
    "contacts",
    metadata,
    Column("order_id", Key, primary_key=True),
    Column("traceparent", Text, nullable=False),
    Column("known", Boolean, nullable=False),
    Column("email", Text),
    Column("name", Text),
    Column("locale", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("titles", Json, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Index("contacts_created_at", "created_at"),
)
"""Whom to tell about an order. There from the first message about the order; `known` once order.placed came."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("delivery_id", Key, primary_key=True),
    Column("order_id", Key, nullable=False),
    Column("template", Key, nullable=False),
    Column("cause", Key, nullable=False),
    Column("recipient", Key, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("data", Json, nullable=False),
    Column("traceparent", Text, nullable=False),
    Column("sending", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("queued_at", Timestamp, nullable=False),
    Column("due_at", Timestamp, nullable=False),
    Column("sent_at", Timestamp),
    Column("version", Integer, nullable=False),
    UniqueConstraint("order_id", "template", "cause", "recipient", name="deliveries_once"),
    Index("deliveries_due", "due_at", postgresql_where=text("state = 'queued'")),
    Index("deliveries_state", "state", "delivery_id"),
    Index("deliveries_created_at", "created_at"),
)
"""One row per thing that happened, recipient and template: `deliveries_once` outlives the inbox."""

pace = Table(
    "pace",
    metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("next_at", Timestamp, nullable=False),
)
"""One row: the first moment that the rate limit has not given out yet."""

messaging_tables(metadata)
