"""The tables of fulfillment."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Identity,
    Index,
    Integer,
    MetaData,
    Sequence,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from shared.db.types import Json, Key, Timestamp
from shared.messaging.schema import messaging_tables

metadata = MetaData()

serials = Sequence("parcel_serials", metadata=metadata)
"""Numbers for carriers' labels: no two parcels ever get the same one, whoever rolls back."""

fulfillment_orders = Table(
    "fulfillment_orders",
    metadata,
    Column("order_id", Key, primary_key=True),
    Column("traceparent", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    Column("cancel_reason", Text),
    Column("answer", Text),
    Column("recipient", Json),
    Column("recorded_at", Timestamp, nullable=False),
    Index("fulfillment_orders_personal", "recorded_at", postgresql_where=text("recipient IS NOT NULL")),
    postgresql_with={"fillfactor": "80"},
)
"""One row per order heard of, confirmed or not; `recipient` is personal data and is erased in time."""

shipments = Table(
    "shipments",
    metadata,
    Column("shipment_id", Key, primary_key=True),
    Column("order_id", Key, nullable=False),
    Column("place_id", Key, nullable=False),
    Column("sender", Json, nullable=False),
    Column("lines", Json, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("state", Key, nullable=False),
    Column("stage", SmallInteger, nullable=False),
    Column("ended_as", Text),
    Column("ended_at", Timestamp),
    Column("end_reason", Text),
    Column("not_found", Json, nullable=False),
    Column("weight_g", Integer),
    Column("carrier", Key),
    Column("tracking_number", Key),
    Column("tracking_url", Text),
    Column("dispatched_at", Timestamp),
    Column("last_scan", Json),
    Column("last_sign_at", Timestamp),
    Column("attention", Text),
    # A second parcel of the same order and place can never exist, whatever the inbox forgot.
    UniqueConstraint("order_id", "place_id", name="shipments_order_place"),
    Index("shipments_tracking", "tracking_number", "carrier", unique=True),
    Index("shipments_created", "created_at", "shipment_id"),
    Index("shipments_state", "state", "created_at", "shipment_id"),
    Index(
        "shipments_work", "place_id", "created_at", "shipment_id", postgresql_where=text("state = 'created'")
    ),
    Index("shipments_silent", "last_sign_at", postgresql_where=text("state IN ('dispatched', 'exception')")),
    Index("shipments_attention", "created_at", "shipment_id", postgresql_where=text("attention IS NOT NULL")),
    postgresql_with={"fillfactor": "80"},
)
"""One row per parcel; `state` is derived from the other columns and kept for searching."""

scans = Table(
    "scans",
    metadata,
    Column("shipment_id", Key, primary_key=True),
    Column("scan_id", Key, primary_key=True),
    Column("status", Text, nullable=False),
    Column("occurred_at", Timestamp, nullable=False),
    Column("location", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("received_at", Timestamp, nullable=False),
)
"""What carriers said, each scan once."""

timeline = Table(
    "timeline",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("shipment_id", Key, nullable=False),
    Column("recorded_at", Timestamp, nullable=False),
    Column("occurred_at", Timestamp),
    Column("kind", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("flagged", Boolean, nullable=False),
    Index("timeline_shipment", "shipment_id", "id"),
)
"""What happened to each parcel since it was created, in the order in which we learnt it; only ever added to."""

messaging_tables(metadata)
