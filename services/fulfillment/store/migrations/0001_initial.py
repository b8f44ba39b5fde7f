"""The first schema."""

import sqlalchemy as sa
from alembic import op

from shared.db.types import Json, Key, Timestamp
from shared.messaging.schema import create_messaging_tables, drop_messaging_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.execute(sa.schema.CreateSequence(sa.Sequence("parcel_serials")))
    _orders()
    _shipments()
    _history()
    create_messaging_tables(op)


def downgrade() -> None:
    """Drop the tables."""
    drop_messaging_tables(op)
    for table in ("timeline", "scans", "shipments", "fulfillment_orders"):
        op.drop_table(table)
    op.execute(sa.schema.DropSequence(sa.Sequence("parcel_serials")))


def _orders() -> None:
    op.create_table(
        "fulfillment_orders",
        sa.Column("order_id", Key, primary_key=True),
        sa.Column("traceparent", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("confirmed", sa.Boolean, nullable=False),
        sa.Column("cancel_reason", sa.Text),
        sa.Column("answer", sa.Text),
        sa.Column("recipient", Json),
        sa.Column("recorded_at", Timestamp, nullable=False),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index(
        "fulfillment_orders_personal",
        "fulfillment_orders",
        ["recorded_at"],
        postgresql_where=sa.text("recipient IS NOT NULL"),
    )


def _shipments() -> None:
    op.create_table(
        "shipments",
        sa.Column("shipment_id", Key, primary_key=True),
        sa.Column("order_id", Key, nullable=False),
        sa.Column("place_id", Key, nullable=False),
        sa.Column("sender", Json, nullable=False),
        sa.Column("lines", Json, nullable=False),
        sa.Column("created_at", Timestamp, nullable=False),
        sa.Column("state", Key, nullable=False),
        sa.Column("stage", sa.SmallInteger, nullable=False),
        sa.Column("ended_as", sa.Text),
        sa.Column("ended_at", Timestamp),
        sa.Column("end_reason", sa.Text),
        sa.Column("not_found", Json, nullable=False),
        sa.Column("weight_g", sa.Integer),
        sa.Column("carrier", Key),
        sa.Column("tracking_number", Key),
        sa.Column("tracking_url", sa.Text),
        sa.Column("dispatched_at", Timestamp),
        sa.Column("last_scan", Json),
        sa.Column("last_sign_at", Timestamp),
        sa.Column("attention", sa.Text),
        sa.UniqueConstraint("order_id", "place_id", name="shipments_order_place"),
        postgresql_with={"fillfactor": "80"},
    )
    by_age = ["created_at", "shipment_id"]
    op.create_index("shipments_tracking", "shipments", ["tracking_number", "carrier"], unique=True)
    op.create_index("shipments_created", "shipments", by_age)
    op.create_index("shipments_state", "shipments", ["state", *by_age])
    op.create_index(
        "shipments_work", "shipments", ["place_id", *by_age], postgresql_where=sa.text("state = 'created'")
    )
    on_its_way = sa.text("state IN ('dispatched', 'exception')")
    op.create_index("shipments_silent", "shipments", ["last_sign_at"], postgresql_where=on_its_way)
    flagged = sa.text("attention IS NOT NULL")
    op.create_index("shipments_attention", "shipments", by_age, postgresql_where=flagged)


def _history() -> None:
    op.create_table(
        "scans",
        sa.Column("shipment_id", Key, primary_key=True),
        sa.Column("scan_id", Key, primary_key=True),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("occurred_at", Timestamp, nullable=False),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("received_at", Timestamp, nullable=False),
    )
    op.create_table(
        "timeline",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("shipment_id", Key, nullable=False),
        sa.Column("recorded_at", Timestamp, nullable=False),
        sa.Column("occurred_at", Timestamp),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("flagged", sa.Boolean, nullable=False),
    )
    op.create_index("timeline_shipment", "timeline", ["shipment_id", "id"])
