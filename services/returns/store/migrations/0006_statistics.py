"""No statistics on documents, which nothing searches."""

from alembic import op

from shared.messaging.schema import restore_statistics_of_documents, skip_statistics_of_documents

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """ANALYZE passes them by; running services are not disturbed."""
    skip_statistics_of_documents(op)


def downgrade() -> None:
    """As before."""
    restore_statistics_of_documents(op)
