"""What the messaging tables need beside the traffic: positions stored, old rows purged, depths measured."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Table, delete, func, literal, literal_column, select

from shared.db.bulk import Session
from shared.messaging.progress import Position
from shared.messaging.schema import outbox, progress

_PURGE_ROWS = 5_000


@dataclass(frozen=True)
class OutboxDepth:
    """Rows not acknowledged by the broker yet and the age of the oldest in seconds."""

    rows: int
    oldest_seconds: float


async def store_positions(session: Session, positions: Iterable[Position]) -> None:
    """Record how far partitions were consumed. What was consumed once stays consumed: the time only rises.

    The offset does not: a topic that was made anew begins at 0. The positions are of after the transaction began, so
    that its time is not later than they are.
    """
    found = {(position.topic, position.partition): position for position in positions}
    told = {place: position.until(session.now) for place, position in found.items()}
    known = await session.fetch_pairs(progress, ("topic", "partition"), list(found), lock=True)
    until = {(row["topic"], row["partition"]): row["consumed_until"] for row in known}
    rows = [
        {
            "topic": topic,
            "partition": partition,
            "consumed_until": max(
                told[topic, partition], until.get((topic, partition), told[topic, partition])
            ),
            "next_offset": position.next_offset,
        }
        for (topic, partition), position in found.items()
    ]
    await session.upsert(progress, rows, key=("topic", "partition"))


async def known_offsets(session: Session, topics: Collection[str]) -> Mapping[tuple[str, int], int]:
    """Offsets to go on from, by (topic, partition), where the broker no longer knows the group's.

    Forgets topics that this service hears no more: they would hold up every deadline for ever.
    """
    await session.execute(delete(progress).where(progress.c.topic.not_in(topics)))
    return await stored_offsets(session)


async def stored_offsets(session: Session) -> Mapping[tuple[str, int], int]:
    """How far this database says it was read, by (topic, partition): lower bounds."""
    rows = await session.execute(select(progress.c.topic, progress.c.partition, progress.c.next_offset))
    return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def outbox_depth(session: Session) -> OutboxDepth:
    """How much waits to be sent."""
    oldest = func.extract("epoch", func.clock_timestamp() - func.min(outbox.c.created_at))
    rows = await session.execute(select(func.count().label("rows"), oldest.label("age")).select_from(outbox))
    return OutboxDepth(rows[0]["rows"], float(rows[0]["age"] or 0.0))


async def purge(session: Session, table: Table, column: str, days: float) -> int:
    """Delete the oldest rows whose `column` (indexed) lies further back than `days`, as many as is bounded; how many.

    Call again while it returns some; bounded, so that no lock and no transaction is long.
    """
    row: ColumnElement[Any] = literal_column("ctid")
    before = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, days * 86_400)
    # The order makes it a walk along the index, which ends at the first row that is too young.
    old = select(row).select_from(table).where(table.c[column] < before).order_by(table.c[column])
    gone = (
        delete(table)
        .where(row == func.any(func.array(old.limit(_PURGE_ROWS).scalar_subquery())))
        .returning(literal(1).label("one"))
    )
    return len(await session.execute(gone))
