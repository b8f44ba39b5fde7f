"""Purges walk along an index instead of reading whole tables."""

from alembic import op

from shared.messaging.schema import create_purge_indexes

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Exchange the indexes that purges use."""
    create_purge_indexes(op)


def downgrade() -> None:
    """Nothing: older releases purge with the new indexes as well."""
