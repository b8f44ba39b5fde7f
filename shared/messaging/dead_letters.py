"""Messages that could not be handled: kept whole, shown, replayed through the inbox or discarded, by whom and why."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update

from shared.db.bulk import Row, Session
from shared.messaging.decode import Record
from shared.messaging.schema import dead_letters


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be handled, and why; `handler` where one refused it."""

    record: Record
    reason: str
    error: str
    handler: str | None = None


async def park(session: Session, letters: Sequence[DeadLetter]) -> None:
    """Put messages aside, once per position in their topic. No inbox rows: a replay handles them."""
    rows = [
        {
            "topic": letter.record.topic,
            "partition": letter.record.partition,
            "message_offset": letter.record.offset,
            "appended_at": letter.record.appended_at,
            "key": letter.record.key,
            "headers": [[_printable(name or ""), _text(value)] for name, value in letter.record.headers],
            "body": letter.record.body,
            "reason": letter.reason,
            "error": _printable(letter.error)[:4000],
            "handler": letter.handler,
        }
        for letter in letters
    ]
    await session.insert(dead_letters, rows, ignore_duplicates=True)


async def parked(
    session: Session, *, reason: str | None = None, topic: str | None = None, after: int = 0, limit: int = 100
) -> list[Row]:
    """Dead letters that wait for a person, oldest first, without their bodies."""
    query = select(
        dead_letters.c.id,
        dead_letters.c.topic,
        dead_letters.c.partition,
        dead_letters.c.message_offset,
        dead_letters.c.reason,
        dead_letters.c.error,
        dead_letters.c.handler,
        dead_letters.c.parked_at,
    ).where(dead_letters.c.state == "parked", dead_letters.c.id > after)
    if reason:
        query = query.where(dead_letters.c.reason == reason)
    if topic:
        query = query.where(dead_letters.c.topic == topic)
    return await session.execute(query.order_by(dead_letters.c.id).limit(limit))


async def find(session: Session, dead_letter_id: int, *, lock: bool = False) -> Row | None:
    """One dead letter, whole."""
    rows = await session.fetch(dead_letters, "id", [dead_letter_id], lock=lock)
    return rows[0] if rows else None


async def counts(session: Session) -> list[Row]:
    """Per topic: how many wait for a person, and since when."""
    query = (
        select(
            dead_letters.c.topic,
            func.count().label("count"),
            func.min(dead_letters.c.parked_at).label("oldest"),
        )
        .where(dead_letters.c.state == "parked")
        .group_by(dead_letters.c.topic)
    )
    return await session.execute(query)


async def resolve(session: Session, dead_letter_ids: Sequence[int], *, state: str, by: str, why: str) -> None:
    """Record that a person dealt with them: `state` is replayed or discarded."""
    await session.execute(
        update(dead_letters)
        .where(dead_letters.c.id.in_(dead_letter_ids), dead_letters.c.state == "parked")
        .values(state=state, resolved_at=func.now(), resolved_by=by, resolved_why=why)
    )


def to_record(row: Row) -> Record:
    """The message as it was on its topic."""
    return Record(
        topic=row["topic"],
        partition=row["partition"],
        offset=row["message_offset"],
        timestamp_ms=int(row["appended_at"].timestamp() * 1000),
        key=row["key"],
        headers=[(name, _bytes(value)) for name, value in row["headers"]],
        body=row["body"],
    )


def _printable(text: str) -> str:
    # PostgreSQL stores neither NUL nor half a surrogate pair.
    return text.replace("\x00", "\ufffd").encode("utf-8", "backslashreplace").decode()


def _text(value: bytes | None) -> Any:
    # Text where it is text, so that people can search it; anything else as base64 in a list.
    if value is None:
        return None
    try:
        decoded = value.decode()
    except UnicodeDecodeError:
        return [base64.b64encode(value).decode()]
    return decoded if "\x00" not in decoded else [base64.b64encode(value).decode()]


def _bytes(value: Any) -> bytes | None:
    if value is None:
        return None
    return base64.b64decode(value[0]) if isinstance(value, list) else str(value).encode()
