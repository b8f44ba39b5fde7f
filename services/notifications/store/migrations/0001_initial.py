"""The first schema."""

import sqlalchemy as sa
from alembic import op

from shared.db.types import Json, Key, Timestamp
from shared.messaging.schema import create_messaging_tables, drop_messaging_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "contacts",
        sa.Column("order_id", Key, primary_key=True),
        sa.Column("traceparent", sa.Text, nullable=False),
        sa.Column("known", sa.Boolean, nullable=False),
        sa.Column("email", sa.Text),
        sa.Column("name", sa.Text),
        sa.Column("locale", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("external_id", sa.Text, nullable=False),
        sa.Column("titles", Json, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", Timestamp, nullable=False),
    )
    op.create_index("contacts_created_at", "contacts", ["created_at"])
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", Key, primary_key=True),
        sa.Column("order_id", Key, nullable=False),
        sa.Column("template", Key, nullable=False),
        sa.Column("cause", Key, nullable=False),
        sa.Column("recipient", Key, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("data", Json, nullable=False),
        sa.Column("traceparent", sa.Text, nullable=False),
        sa.Column("sending", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", Timestamp, nullable=False),
        sa.Column("queued_at", Timestamp, nullable=False),
        sa.Column("due_at", Timestamp, nullable=False),
        sa.Column("sent_at", Timestamp),
        sa.Column("version", sa.Integer, nullable=False),
        sa.UniqueConstraint("order_id", "template", "cause", "recipient", name="deliveries_once"),
    )
    op.create_index("deliveries_due", "deliveries", ["due_at"], postgresql_where=sa.text("state = 'queued'"))
    op.create_index("deliveries_state", "deliveries", ["state", "delivery_id"])
    op.create_index("deliveries_created_at", "deliveries", ["created_at"])
    pace = op.create_table(
        "pace",
        sa.Column("id", sa.SmallInteger, primary_key=True),
        sa.Column("next_at", Timestamp, nullable=False),
    )
    op.execute(sa.insert(pace).values(id=1, next_at=sa.func.now()))
    create_messaging_tables(op)


def downgrade() -> None:
    """Drop them."""
    drop_messaging_tables(op)
    for table in ("pace", "deliveries", "contacts"):
        op.drop_table(table)
