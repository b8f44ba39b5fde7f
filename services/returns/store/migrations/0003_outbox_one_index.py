"""The outbox is found by its primary key alone."""

from alembic import op

from shared.messaging.schema import drop_outbox_shard_index, restore_outbox_shard_index

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Drop the second index."""
    drop_outbox_shard_index(op)


def downgrade() -> None:
    """Make it again."""
    restore_outbox_shard_index(op)
