"""Orders and their timelines."""

import sqlalchemy as sa
from alembic import op

from shared.db.types import Json, Key, Timestamp
from shared.messaging.schema import create_messaging_tables, drop_messaging_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything."""
    op.create_table(
        "orders",
        sa.Column("id", Key, primary_key=True),
        sa.Column("channel", Key, nullable=False),
        sa.Column("external_id", Key, nullable=False),
        sa.Column("state", Key, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("traceparent", sa.Text),
        sa.Column("placed_at", Timestamp),
        sa.Column("changed_at", Timestamp, nullable=False),
        sa.Column("deadline_at", Timestamp),
        sa.Column("is_open", sa.Boolean, nullable=False),
        sa.Column("needs_attention", sa.Boolean, nullable=False),
        sa.Column("currency", sa.Text),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("captured", sa.BigInteger, nullable=False),
        sa.Column("refunds", sa.BigInteger, nullable=False),
        sa.Column("customer_name", sa.Text),
        sa.Column("customer_email", Key),
        sa.Column("fingerprint", sa.Text),
        sa.Column("body", Json),
        sa.Column("reservation", Json),
        sa.Column("facts", Json, nullable=False),
        sa.UniqueConstraint("channel", "external_id", name="orders_name"),
        postgresql_with={"fillfactor": "60"},
    )
    present = sa.text("customer_email IS NOT NULL")
    op.create_index("orders_email", "orders", ["customer_email", "id"], postgresql_where=present)
    waiting = sa.text("deadline_at IS NOT NULL")
    op.create_index("orders_deadline", "orders", ["deadline_at"], postgresql_where=waiting)
    op.create_index("orders_open", "orders", ["id"], postgresql_where=sa.text("is_open"))
    op.create_index("orders_attention", "orders", ["id"], postgresql_where=sa.text("needs_attention"))
    op.create_table(
        "order_timeline",
        sa.Column("order_id", Key, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("at", Timestamp, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text),
        sa.Column("detail", Json, nullable=False),
        sa.Column("said", Json, nullable=False),
        sa.PrimaryKeyConstraint("order_id", "sequence", name="order_timeline_pkey"),
    )
    create_messaging_tables(op)


def downgrade() -> None:
    """Drop everything."""
    drop_messaging_tables(op)
    op.drop_table("order_timeline")
    op.drop_table("orders")
