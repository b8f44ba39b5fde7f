"""Orders of which something may come back, and returns."""

import sqlalchemy as sa
from alembic import op

from shared.db.types import Json, Key, Timestamp
from shared.messaging.schema import create_messaging_tables, drop_messaging_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create everything."""
    _returnables()
    _returns()
    create_messaging_tables(op)


def downgrade() -> None:
    """Drop everything."""
    drop_messaging_tables(op)
    op.drop_table("returns")
    op.drop_table("returnables")


def _returnables() -> None:
    op.create_table(
        "returnables",
        sa.Column("order_id", Key, primary_key=True),
        sa.Column("traceparent", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("channel", Key),
        sa.Column("external_id", Key),
        sa.Column("currency", sa.Text),
        sa.Column("allocations", Json),
        sa.Column("delivered", Json, nullable=False),
        sa.Column("sent_back", Json, nullable=False),
        sa.Column("refunded", Json, nullable=False),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index("returnables_external", "returnables", ["external_id", "channel"])


def _returns() -> None:
    op.create_table(
        "returns",
        sa.Column("return_id", Key, primary_key=True),
        sa.Column("order_id", Key, nullable=False),
        sa.Column("origin", Key, nullable=False),
        sa.Column("reference", Key),
        sa.Column("state", Key, nullable=False),
        sa.Column("units", Json, nullable=False),
        sa.Column("authorized_at", Timestamp, nullable=False),
        sa.Column("authorized_by", sa.Text, nullable=False),
        sa.Column("expires_at", Timestamp),
        sa.Column("place_id", Key),
        sa.Column("received_units", Json),
        sa.Column("value", sa.BigInteger),
        sa.Column("currency", sa.Text),
        sa.Column("received_at", Timestamp),
        sa.Column("received_by", sa.Text),
        sa.Column("rejected_reason", sa.Text),
        sa.Column("rejected_at", Timestamp),
        sa.Column("rejected_by", sa.Text),
        sa.Column("refunded", sa.Boolean, nullable=False),
    )
    op.create_index("returns_order", "returns", ["order_id", "reference"], unique=True)
    op.create_index("returns_authorized", "returns", ["authorized_at", "return_id"])
    op.create_index("returns_state", "returns", ["state", "authorized_at", "return_id"])
    op.create_index(
        "returns_expiring",
        "returns",
        ["expires_at", "order_id"],
        postgresql_where=sa.text("state = 'authorized'"),
    )
