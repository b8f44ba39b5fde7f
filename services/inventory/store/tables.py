"""The tables of inventory. `migrations/` makes them; a test proves that both say the same."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    func,
)

from shared.db.types import Json, Key, Timestamp
from shared.messaging.schema import messaging_tables

metadata = MetaData()

skus = Table(
    "skus",
    metadata,
    Column("sku", Key, primary_key=True),
    Column("title", Text),
    Column("weight_g", Integer),
    Column("length_mm", Integer),
    Column("width_mm", Integer),
    Column("height_mm", Integer),
    # How often this SKU's quantities were told; also the reason why every batch that moves a SKU writes its row.
    Column("level_sequence", BigInteger, nullable=False, server_default="0"),
    Column("created_at", Timestamp, nullable=False, server_default=func.now()),
    Column("updated_at", Timestamp, nullable=False, server_default=func.now()),
    postgresql_with={"fillfactor": "70"},
)
"""What is sold. The row's lock guards all stock of the SKU, also pairs of SKU and place that have no row yet."""

places = Table(
    "places",
    metadata,
    Column("place_id", Key, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text),
    Column("address", Json, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", Timestamp, nullable=False, server_default=func.now()),
    Column("updated_at", Timestamp, nullable=False, server_default=func.now()),
)
"""Warehouses, stores and third parties."""

stock = Table(
    "stock",
    metadata,
    Column("sku", Key, primary_key=True),
    Column("place_id", Key, primary_key=True),
    Column("on_hand", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("unavailable", BigInteger, nullable=False),
    CheckConstraint(
        "on_hand >= 0 AND reserved >= 0 AND unavailable >= 0 AND on_hand - reserved - unavailable >= 0",
        name="stock_never_negative",
    ),
    Index("stock_place", "place_id", "sku"),
    postgresql_with={"fillfactor": "70"},
)
"""Counters: always the sums of the ledger. A place unknown to the catalogue may hold stock; it ships nothing."""

ledger = Table(
    "ledger",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("at", Timestamp, nullable=False, server_default=func.now()),
    Column("kind", Text, nullable=False),
    Column("sku", Key, nullable=False),
    Column("place_id", Key, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("on_hand", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("unavailable", BigInteger, nullable=False),
    Column("cause_kind", Text, nullable=False),
    Column("cause_id", Key, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("note", Text, nullable=False),
    Index("ledger_sku", "sku", "place_id", "id"),
    Index("ledger_place", "place_id", "id"),
    Index("ledger_cause", "cause_id"),
)
"""Every movement: how many units, and by how much it changed each counter. A trigger keeps it append-only."""

reservations = Table(
    "reservations",
    metadata,
    Column("order_id", Key, primary_key=True),
    Column("traceparent", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("cancelled", Boolean, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("reservation_id", Text),
    Column("decision", Json),
    Column("created_at", Timestamp, nullable=False, server_default=func.now()),
    postgresql_with={"fillfactor": "60"},
)
"""One row per order, also for an order that was cancelled before it was placed. Its lock is taken first."""

allocations = Table(
    "allocations",
    metadata,
    Column("order_id", Key, primary_key=True),
    Column("line_id", Key, primary_key=True),
    Column("place_id", Key, primary_key=True),
    Column("sku", Key, nullable=False),
    Column("quantity", Integer, nullable=False),
)
"""What was reserved; never changed. What became of it is the parcel's fate."""

parcels = Table(
    "parcels",
    metadata,
    Column("order_id", Key, primary_key=True),
    Column("place_id", Key, primary_key=True),
    # domain.reservation.Fate: 0 held, 1 released, 2 cancelled, 3 dispatched.
    Column("fate", SmallInteger, nullable=False),
    Column("shipment_id", Text),
    Column("not_found", Json, nullable=False),
    postgresql_with={"fillfactor": "70"},
)
"""What became of the units that a place held for an order; may be known before the order is."""

adjustments = Table(
    "adjustments",
    metadata,
    Column("adjustment_id", Key, primary_key=True),
    Column("sku", Key, nullable=False),
    Column("place_id", Key, nullable=False),
    Column("counter", Text, nullable=False),
    Column("delta", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("applied_at", Timestamp, nullable=False, server_default=func.now()),
)
"""Adjustments that were applied: the same id is the same change, and counts once."""

receipts = Table(
    "receipts",
    metadata,
    Column("return_id", Key, primary_key=True),
    Column("order_id", Key, nullable=False),
    Column("received_at", Timestamp, nullable=False, server_default=func.now()),
)
"""Returns whose goods were booked: each counts once."""

messaging_tables(metadata)
