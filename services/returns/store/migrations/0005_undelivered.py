"""Parcels that never arrive."""

import sqlalchemy as sa
from alembic import op

from shared.db.types import Json

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; the default lets the release before go on writing."""
    op.add_column("returnables", sa.Column("undelivered", Json, nullable=False, server_default="{}"))


def downgrade() -> None:
    """Forget them."""
    op.drop_column("returnables", "undelivered")
