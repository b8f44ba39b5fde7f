"""Purges walk along an index instead of reading whole tables."""

from alembic import op

from shared.messaging.schema import create_purge_indexes

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Exchange the indexes that purges use; find cancellations whose order never came."""
    create_purge_indexes(op)
    with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY orders_expected ON orders (id) WHERE placed_at IS NULL")


def downgrade() -> None:
    """The other indexes stay: older releases purge with them as well."""
    op.drop_index("orders_expected")
