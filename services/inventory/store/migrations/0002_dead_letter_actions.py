"""Who did what with dead letters, and why."""

from alembic import op

from shared.messaging.schema import add_dead_letter_actions, remove_dead_letter_actions

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the record of actions."""
    add_dead_letter_actions(op)


def downgrade() -> None:
    """Drop it."""
    remove_dead_letter_actions(op)
