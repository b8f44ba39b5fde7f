"""When a consumer that stands still ends its process, and when it only had nothing to do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from shared.runtime.service import EXIT_STUCK, Service

STUCK = 0.4
LONG = 1_000.0


class Source:
    """A consumer that has stood still for long; `look` is what a look at it finds."""

    fatal = None
    task_died = False

    def __init__(self, look: Callable[["Source", int], str | None]) -> None:
        self.seconds_since_movement = LONG
        self.looks = 0
        self._look = look

    async def standstill(self) -> str | None:
        self.looks += 1
        return self._look(self, self.looks)


@asynccontextmanager
async def transaction() -> AsyncIterator[None]:
    """The database answers."""
    yield


async def watch(look: Callable[[Source, int], str | None], *, looks: int) -> tuple[int, Source]:
    """The exit code after so many looks, or when the watchdog ended the process."""
    service: Any = Service.__new__(Service)
    service._stop = asyncio.Event()
    service.exit_code = 0
    service.settings = SimpleNamespace(stuck_seconds=STUCK)
    service.unit = SimpleNamespace(begin=transaction)
    service.consumer = SimpleNamespace(seconds_since_attempt=LONG)
    source = service.source = Source(
        lambda source, count: service._stop.set() or None if count > looks else look(source, count)
    )
    await service._watch()
    return service.exit_code, source


async def test_records_that_stay_unread_end_the_process() -> None:
    code, source = await watch(lambda *_: "3 records are not read", looks=1_000)
    assert code == EXIT_STUCK
    assert source.looks > 1, "one look proves nothing"


async def test_what_comes_to_a_service_that_was_idle_for_long_does_not_end_it() -> None:
    code, _ = await watch(lambda _, count: "1 records are not read" if count % 2 else None, looks=6)
    assert code == 0


async def test_a_batch_that_begins_while_it_is_looked_at_does_not_end_it() -> None:
    def begins(source: Source, _: int) -> str:
        source.seconds_since_movement = 0.0
        asyncio.get_running_loop().call_later(STUCK / 8, setattr, source, "seconds_since_movement", LONG)
        return "a batch hangs"

    code, _ = await watch(begins, looks=6)
    assert code == 0


async def test_a_broker_that_is_away_does_not_end_it() -> None:
    def away(*_: object) -> str:
        raise OSError("no broker")

    code, _ = await watch(away, looks=6)
    assert code == 0
