"""Messages that could not be handled: kept whole until a person replays, mends or discards them.

The original never changes. What people do is appended to `dead_letter_actions`: who and why.
"""

import base64
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, select, update

from shared.db.bulk import Row, Session
from shared.messaging.decode import Record
from shared.messaging.schema import dead_letter_actions, dead_letters
from shared.value_object import value_object


@value_object
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
            "headers": _headers(letter.record),
            "body": letter.record.body,
            "reason": letter.reason,
            "error": _printable(letter.error)[:4000],
            "handler": letter.handler,
        }
        for letter in letters
    ]
    await session.insert(dead_letters, rows, ignore_duplicates=True)


@value_object
class Selection:
    """Which dead letters: those in `state` (None: any) of which everything that is given is true."""

    state: str | None = "parked"
    reason: str | None = None
    topic: str | None = None
    handler: str | None = None
    key: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """As parts of a WHERE clause."""
        wanted = {"state": self.state, "reason": self.reason, "topic": self.topic, "handler": self.handler}
        found = [dead_letters.c[name] == value for name, value in wanted.items() if value is not None]
        return found if self.key is None else [*found, dead_letters.c.key == self.key.encode()]


@value_object
class Letter:
    """A dead letter with everything that was done with it, oldest first."""

    row: Row
    actions: Sequence[Row]

    @property
    def edit(self) -> Row | None:
        """The newest edited copy, if there is one."""
        return next((action for action in reversed(self.actions) if action["action"] == "edited"), None)

    @property
    def original(self) -> Record:
        """The message as it was on its topic."""
        return to_record(self.row)

    @property
    def record(self) -> Record:
        """The message as a replay handles it: the newest edited copy, else the original."""
        edit = self.edit
        return self.original if edit is None else to_record(self.row | _content(edit))


class NotParked(Exception):
    """The dead letter no longer waits: somebody else dealt with it, or edited it meanwhile."""


async def parked(session: Session, selection: Selection, *, after: int = 0, limit: int = 100) -> list[Row]:
    """Dead letters of a selection, oldest first, without headers and bodies; `failures` counts replays in vain."""
    failures = (
        select(func.count())
        .where(
            dead_letter_actions.c.dead_letter_id == dead_letters.c.id,
            dead_letter_actions.c.action == "failed",
        )
        .scalar_subquery()
    )
    columns = [column for column in dead_letters.c if column.name not in ("headers", "body")]
    query = select(*columns, failures.label("failures")).where(
        dead_letters.c.id > after, *selection.conditions()
    )
    return await session.execute(query.order_by(dead_letters.c.id).limit(limit))


async def newest(session: Session, selection: Selection) -> int:
    """The highest id of a selection, 0 when it is empty: where a run over all of it ends."""
    query = select(func.coalesce(func.max(dead_letters.c.id), 0).label("id")).where(*selection.conditions())
    [row] = await session.execute(query)
    return int(row["id"])


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


async def summary(session: Session, selection: Selection) -> list[Row]:
    """A selection by reason, handler and topic: how many, the oldest and the newest; the most first."""
    by = (dead_letters.c.reason, dead_letters.c.handler, dead_letters.c.topic)
    number = func.count().label("count")
    moments = [
        function(dead_letters.c.parked_at).label(name)
        for name, function in (("oldest", func.min), ("newest", func.max))
    ]
    query = select(*by, number, *moments).where(*selection.conditions()).group_by(*by)
    return await session.execute(query.order_by(number.desc(), *by))


async def find(session: Session, dead_letter_id: int, *, lock: bool = False) -> Letter | None:
    """One dead letter, whole; locked until the transaction ends if asked."""
    rows = await session.fetch(dead_letters, "id", [dead_letter_id], lock=lock)
    if not rows:
        return None
    actions = await session.fetch(
        dead_letter_actions, "dead_letter_id", [dead_letter_id], order_by=("dead_letter_id", "id")
    )
    return Letter(rows[0], actions)


async def claim(session: Session, letter: Letter, *, unchanged: bool = True) -> None:
    """Take a dead letter that waits, until the transaction ends. Raises NotParked if another was quicker.

    With `unchanged` it must also be the copy that was looked at.
    """
    now = await find(session, letter.row["id"], lock=True)
    if now is None or now.row["state"] != "parked":
        state = "gone" if now is None else "{state} by {resolved_by}: {resolved_why}".format(**now.row)
        raise NotParked(state)
    if unchanged and (now.edit or {}).get("id") != (letter.edit or {}).get("id"):
        raise NotParked("edited meanwhile: look at it again")


async def settle(session: Session, letter: Letter, *, state: str, by: str, why: str) -> None:
    """Close a claimed dead letter: `state` is replayed or discarded."""
    await session.execute(
        update(dead_letters)
        .where(dead_letters.c.id == letter.row["id"])
        .values(state=state, resolved_at=func.now(), resolved_by=by, resolved_why=why)
    )
    await note(session, letter, state, by=by, why=why)


async def note(
    session: Session, letter: Letter, action: str, *, by: str, why: str, error: str | None = None
) -> None:
    """Append to the record of what was done."""
    row = {"dead_letter_id": letter.row["id"], "action": action, "by": by, "why": why}
    await session.insert(
        dead_letter_actions, [row | {"error": None if error is None else _printable(error)[:4000]}]
    )


async def keep_edit(session: Session, letter: Letter, changed: Record, *, by: str, why: str) -> None:
    """Append an edited copy of a claimed dead letter; the original stays as it is."""
    row = {
        "dead_letter_id": letter.row["id"],
        "action": "edited",
        "by": by,
        "why": why,
        "headers": _headers(changed),
        "body": changed.body,
    }
    await session.insert(dead_letter_actions, [row])


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


def _content(row: Row) -> Row:
    return {"headers": row["headers"], "body": row["body"]}


def _headers(record: Record) -> list[list[Any]]:
    return [[_printable(name or ""), _text(value)] for name, value in record.headers]


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
