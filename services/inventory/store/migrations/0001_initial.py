"""The first schema."""

import sqlalchemy as sa
from alembic import op

from shared.db.types import Json, Key, Timestamp
from shared.messaging.schema import create_messaging_tables, drop_messaging_tables

revision = "0001"
down_revision = None


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, Timestamp, nullable=False, server_default=sa.func.now())


def upgrade() -> None:
    """Create the tables, and the guard that makes the ledger append-only."""
    _create_catalogue()
    _create_stock()
    _create_reservations()
    op.create_table(
        "adjustments",
        sa.Column("adjustment_id", Key, primary_key=True),
        sa.Column("sku", Key, nullable=False),
        sa.Column("place_id", Key, nullable=False),
        sa.Column("counter", sa.Text, nullable=False),
        sa.Column("delta", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        _moment("applied_at"),
    )
    op.create_table(
        "receipts",
        sa.Column("return_id", Key, primary_key=True),
        sa.Column("order_id", Key, nullable=False),
        _moment("received_at"),
    )
    create_messaging_tables(op)


def _create_catalogue() -> None:
    op.create_table(
        "skus",
        sa.Column("sku", Key, primary_key=True),
        sa.Column("title", sa.Text),
        sa.Column("weight_g", sa.Integer),
        sa.Column("length_mm", sa.Integer),
        sa.Column("width_mm", sa.Integer),
        sa.Column("height_mm", sa.Integer),
        sa.Column("level_sequence", sa.BigInteger, nullable=False, server_default="0"),
        _moment("created_at"),
        _moment("updated_at"),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_table(
        "places",
        sa.Column("place_id", Key, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("address", Json, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        _moment("created_at"),
        _moment("updated_at"),
    )


def _create_stock() -> None:
    op.create_table(
        "stock",
        sa.Column("sku", Key, primary_key=True),
        sa.Column("place_id", Key, primary_key=True),
        sa.Column("on_hand", sa.BigInteger, nullable=False),
        sa.Column("reserved", sa.BigInteger, nullable=False),
        sa.Column("unavailable", sa.BigInteger, nullable=False),
        sa.CheckConstraint(
            "on_hand >= 0 AND reserved >= 0 AND unavailable >= 0 AND on_hand - reserved - unavailable >= 0",
            name="stock_never_negative",
        ),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index("stock_place", "stock", ["place_id", "sku"])
    op.create_table(
        "ledger",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        _moment("at"),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("sku", Key, nullable=False),
        sa.Column("place_id", Key, nullable=False),
        sa.Column("quantity", sa.BigInteger, nullable=False),
        sa.Column("on_hand", sa.BigInteger, nullable=False),
        sa.Column("reserved", sa.BigInteger, nullable=False),
        sa.Column("unavailable", sa.BigInteger, nullable=False),
        sa.Column("cause_kind", sa.Text, nullable=False),
        sa.Column("cause_id", Key, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_index("ledger_sku", "ledger", ["sku", "place_id", "id"])
    op.create_index("ledger_place", "ledger", ["place_id", "id"])
    op.create_index("ledger_cause", "ledger", ["cause_id"])
    op.execute(
        "CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'the ledger is append-only: correct it by a new movement'; END $$"
    )
    op.execute(
        "CREATE TRIGGER ledger_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger"
        " FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()"
    )


def _create_reservations() -> None:
    op.create_table(
        "reservations",
        sa.Column("order_id", Key, primary_key=True),
        sa.Column("traceparent", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("cancelled", sa.Boolean, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("reservation_id", sa.Text),
        sa.Column("decision", Json),
        _moment("created_at"),
        postgresql_with={"fillfactor": "60"},
    )
    op.create_table(
        "allocations",
        sa.Column("order_id", Key, primary_key=True),
        sa.Column("line_id", Key, primary_key=True),
        sa.Column("place_id", Key, primary_key=True),
        sa.Column("sku", Key, nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
    )
    op.create_table(
        "parcels",
        sa.Column("order_id", Key, primary_key=True),
        sa.Column("place_id", Key, primary_key=True),
        sa.Column("fate", sa.SmallInteger, nullable=False),
        sa.Column("shipment_id", sa.Text),
        sa.Column("not_found", Json, nullable=False),
        postgresql_with={"fillfactor": "70"},
    )


def downgrade() -> None:
    """Drop everything."""
    drop_messaging_tables(op)
    for table in (
        "receipts",
        "adjustments",
        "parcels",
        "allocations",
        "reservations",
        "ledger",
        "stock",
        "places",
        "skus",
    ):
        op.drop_table(table)
    op.execute("DROP FUNCTION ledger_is_append_only()")
