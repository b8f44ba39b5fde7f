"""What is done with dead letters: each in one transaction with the record of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from shared.messaging import dead_letters
from shared.messaging.consumer import StillUnreadable
from shared.messaging.dead_letters import Letter, NotParked, Selection
from shared.messaging.retry import backoff, transient
from shared.runtime.console import Problem
from shared.runtime.service import Service

_PAGE = 100
_TRIES = 5


async def replay_one(service: Service[Any, Any], number: int, *, by: str, why: str) -> dict[str, Any]:
    """Handle one dead letter; the outcome is `handled`, `known` (the inbox had it), `failed` or `not parked`.

    Handling, closing the letter and the record of it are one transaction: two people, or a person and a process that
    dies, cannot do it twice. A database that is away is waited for briefly; then its error is raised.
    """
    pauses = backoff()
    for attempt in range(1, _TRIES + 1):
        try:
            return await _replay(service, number, by, why)
        except Exception as error:
            if transient(error) is None or attempt == _TRIES:
                raise
            await asyncio.sleep(next(pauses))
    raise AssertionError("unreachable")


async def _replay(service: Service[Any, Any], number: int, by: str, why: str) -> dict[str, Any]:
    try:
        letter = await look(service, number)
    except Problem as problem:
        return outcome_of(number, "not parked", str(problem))

    async def claim(session: Any) -> None:
        await dead_letters.claim(session, letter)
        await dead_letters.settle(session, letter, state="replayed", by=by, why=why)

    try:
        fresh = await service.consumer.replay(letter.record, claim)
    except NotParked as error:
        return outcome_of(number, "not parked", str(error))
    except Exception as error:
        if transient(error) is not None:
            raise
        text = str(error) if isinstance(error, StillUnreadable) else f"{type(error).__name__}: {error}"
        return await _failed(service, letter, by, why, text)
    return outcome_of(number, "handled" if fresh else "known")


async def _failed(
    service: Service[Any, Any], letter: Letter, by: str, why: str, error: str
) -> dict[str, Any]:
    number = letter.row["id"]
    async with service.unit.begin() as (session, _):
        try:
            await dead_letters.claim(session, letter, unchanged=False)
        except NotParked as closed:
            return outcome_of(number, "not parked", str(closed))
        await dead_letters.note(session, letter, "failed", by=by, why=why, error=error)
    return outcome_of(number, "failed", error)


async def discard_one(service: Service[Any, Any], number: int, *, by: str, why: str) -> dict[str, Any]:
    """Close one dead letter unhandled; the outcome is `discarded` or `not parked`."""
    async with service.unit.begin() as (session, _):
        try:
            letter = await find(session, number)
            await dead_letters.claim(session, letter, unchanged=False)
        except (NotParked, Problem) as error:
            return outcome_of(number, "not parked", str(error))
        await dead_letters.settle(session, letter, state="discarded", by=by, why=why)
    return outcome_of(number, "discarded")


async def chosen_ids(
    service: Service[Any, Any], chosen: Selection | Sequence[int], limit: int | None
) -> AsyncIterator[int]:
    """The ids that are meant, oldest first. What is parked meanwhile is not, so that a run ends."""
    given = 0
    if not isinstance(chosen, Selection):
        for number in dict.fromkeys(chosen):
            if given == limit:
                return
            given += 1
            yield number
        return
    async with service.unit.begin() as (session, _):
        last = await dead_letters.newest(session, chosen)
    after = 0
    while after < last:
        async with service.unit.begin() as (session, _):
            rows = await dead_letters.parked(session, chosen, after=after, limit=_PAGE)
        for row in rows:
            if row["id"] > last or given == limit:
                return
            given += 1
            yield row["id"]
        after = rows[-1]["id"] if rows else last


async def look(service: Service[Any, Any], number: int) -> Letter:
    """A dead letter as it is committed now. Raises Problem when there is none."""
    async with service.unit.begin() as (session, _):
        return await find(session, number)


async def find(session: Any, number: int) -> Letter:
    """The same within a transaction."""
    letter = await dead_letters.find(session, number) if 0 < number < 2**63 else None
    if letter is None:
        raise Problem(f"there is no dead letter {number}", "`dead-letters list` shows those that wait")
    return letter


def outcome_of(number: int, outcome: str, error: str | None = None) -> dict[str, Any]:
    """What became of one letter, as scripts read it."""
    return {"id": number, "outcome": outcome, "error": error}
