"""The tables every service has beside its own: outbox, inbox, dead letters and what was done with them, progress,
idempotency keys."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)

from shared.db.types import Json, Key, Timestamp

_OWN = MetaData()

outbox = Table(
    "outbox",
    _OWN,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("shard", SmallInteger, nullable=False),
    Column("topic", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("headers", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Timestamp, nullable=False, server_default=func.now()),
    # Rows live for milliseconds, so the table is nearly empty and one index serves every shard; vacuum by count, not by
    # share of the table.
    postgresql_with={"autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "5000"},
)
"""What is to be said: final bytes, in the order of ids per aggregate; a row is deleted when the broker has it."""

inbox = Table(
    "inbox",
    _OWN,
    Column("message_id", Uuid, primary_key=True),
    Column("consumer", Text, primary_key=True),
    Column("received_at", Timestamp, nullable=False, server_default=func.now()),
    # Not BRIN: once purged pages are filled again every range is as old as its oldest row ever was.
    Index("inbox_received", "received_at"),
    # Purged rows lie in front of the next to be purged; they are not to pile up there.
    postgresql_with={
        "autovacuum_vacuum_insert_scale_factor": "0.1",
        "autovacuum_vacuum_scale_factor": "0.02",
    },
)
"""What was handled. Finite: purged after longer than any topic keeps a message."""

dead_letters = Table(
    "dead_letters",
    _OWN,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("message_offset", BigInteger, nullable=False),
    Column("appended_at", Timestamp, nullable=False),
    Column("key", LargeBinary),
    Column("headers", Json, nullable=False),
    Column("body", LargeBinary),
    Column("reason", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("handler", Text),
    Column("parked_at", Timestamp, nullable=False, server_default=func.now()),
    Column("state", Text, nullable=False, server_default="parked"),
    Column("resolved_at", Timestamp),
    Column("resolved_by", Text),
    Column("resolved_why", Text),
    UniqueConstraint("topic", "partition", "message_offset", name="dead_letters_position"),
    Index("dead_letters_parked", "id", postgresql_where=text("state = 'parked'")),
)
"""Messages that could not be handled, whole, until a person replays or discards them."""

dead_letter_actions = Table(
    "dead_letter_actions",
    _OWN,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("dead_letter_id", BigInteger, ForeignKey("dead_letters.id"), nullable=False),
    Column("at", Timestamp, nullable=False, server_default=func.now()),
    Column("action", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("error", Text),
    Column("headers", Json),
    Column("body", LargeBinary),
    Index("dead_letter_actions_letter", "dead_letter_id", "id"),
)
"""What people did with dead letters, appended and never changed; an edit carries the whole copy it made."""

progress = Table(
    "progress",
    _OWN,
    Column("topic", Key, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("consumed_until", Timestamp, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
    postgresql_with={"fillfactor": "50"},
)
"""How far each partition was consumed: a lower bound in time, and the offset to go on from."""

idempotency = Table(
    "idempotency",
    _OWN,
    Column("scope", Key, primary_key=True),
    Column("key", Key, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("answer", Json, nullable=False),
    Column("created_at", Timestamp, nullable=False, server_default=func.now()),
    Index("idempotency_created", "created_at"),
)
"""What was answered under an Idempotency-Key, so that asking again answers the same."""

_FIRST = (outbox, inbox, dead_letters, progress, idempotency)


def messaging_tables(metadata: MetaData) -> None:
    """Add these tables to a service's metadata, so that the model is the whole schema."""
    for table in (*_FIRST, dead_letter_actions):
        table.to_metadata(metadata)


def create_messaging_tables(op: Any) -> None:
    """Create the tables of the first schema in a migration; `op` is Alembic's."""
    _OWN.create_all(op.get_bind(), tables=list(_FIRST), checkfirst=False)


def create_purge_indexes(op: Any) -> None:
    """Let purges find the oldest rows in order, beside running services; `op` is Alembic's."""
    op.execute("ALTER TABLE inbox SET (autovacuum_vacuum_scale_factor = 0.02)")
    with op.get_context().autocommit_block():
        for table, column in (("inbox", "received_at"), ("idempotency", "created_at")):
            name = f"{table}_{column.removesuffix('_at')}"
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {table} ({column})")
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {table}_{column}")


def skip_statistics_of_documents(op: Any) -> None:
    """Let ANALYZE pass by the columns that hold whole documents; `op` is Alembic's.

    Nothing searches inside them, and reading 30,000 of them out of line for a statistic that no plan uses took
    a tenth of PostgreSQL's time on growing tables.
    """
    for table, column in _documents(op):
        op.execute(f'ALTER TABLE "{table}" ALTER COLUMN "{column}" SET STATISTICS 0')


def restore_statistics_of_documents(op: Any) -> None:
    """Undo `skip_statistics_of_documents`."""
    for table, column in _documents(op):
        op.execute(f'ALTER TABLE "{table}" ALTER COLUMN "{column}" SET STATISTICS -1')


def _documents(op: Any) -> list[tuple[str, str]]:
    return [
        (table, column)
        for table, column in op.get_bind().exec_driver_sql(
            """SELECT table_name, column_name FROM information_schema.columns
               WHERE table_schema = current_schema() AND data_type IN ('json', 'jsonb', 'bytea')
               ORDER BY table_name, column_name"""
        )
    ]


def drop_messaging_tables(op: Any) -> None:
    """Undo `create_messaging_tables`."""
    _OWN.drop_all(op.get_bind(), tables=list(_FIRST), checkfirst=False)


def add_dead_letter_actions(op: Any) -> None:
    """Begin the record of what people did with dead letters, with what was known of that before."""
    _OWN.create_all(op.get_bind(), tables=[dead_letter_actions], checkfirst=False)
    op.execute(
        """INSERT INTO dead_letter_actions (dead_letter_id, at, action, by, why)
           SELECT id, coalesce(resolved_at, now()), state, coalesce(resolved_by, ''), coalesce(resolved_why, '')
           FROM dead_letters WHERE state <> 'parked' ORDER BY resolved_at"""
    )


def remove_dead_letter_actions(op: Any) -> None:
    """Undo `add_dead_letter_actions`."""
    _OWN.drop_all(op.get_bind(), tables=[dead_letter_actions], checkfirst=False)


def drop_outbox_shard_index(op: Any) -> None:
    """One index less to write for every message. Its first schema made it; later ones do not."""
    op.execute("DROP INDEX IF EXISTS outbox_shard_id")


def restore_outbox_shard_index(op: Any) -> None:
    """Undo `drop_outbox_shard_index`."""
    op.execute("CREATE INDEX IF NOT EXISTS outbox_shard_id ON outbox (shard, id)")
