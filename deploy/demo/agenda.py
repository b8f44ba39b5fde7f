"""Things to do now or in a moment, of which none is forgotten and no failure goes unseen."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Agenda:
    """Runs coroutines in the background; the first failure is kept for `check`."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self.closed = False

    def do(self, work: Coroutine[Any, Any, None], after: float = 0.0) -> None:
        """Do this, `after` seconds from now."""
        if self.closed:
            work.close()
            return
        task = asyncio.create_task(_later(work, after) if after > 0 else work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None and self._failure is None:
            self._failure = task.exception()

    @property
    def open(self) -> int:
        """How much is not done."""
        return len(self._tasks)

    def check(self) -> None:
        """Raise the first failure of anything that was done."""
        if self._failure is not None:
            raise self._failure

    async def close(self) -> None:
        """Give up what is not done."""
        self.closed = True
        await asyncio.sleep(0)  # What was added a moment ago begins, so that it can be cancelled inside.
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _later(work: Coroutine[Any, Any, None], after: float) -> None:
    try:
        await asyncio.sleep(after)
    except BaseException:
        work.close()
        raise
    await work


class Collector(Generic[T]):
    """Gathers single things for a moment and hands them on together, because one request may carry many."""

    def __init__(
        self,
        agenda: Agenda,
        send: Callable[[Sequence[T]], Awaitable[None]],
        *,
        most: int,
        seconds: float,
    ) -> None:
        self._agenda = agenda
        self._send = send
        self._most = most
        self._seconds = seconds
        self._gathered: list[T] = []
        self._waiting = False

    def add(self, thing: T) -> None:
        """Hand this on, soon."""
        self._gathered.append(thing)
        if not self._waiting:
            self._waiting = True
            self._agenda.do(self._flush(), after=self._seconds)

    async def _flush(self) -> None:
        self._waiting = False
        while self._gathered:
            together, self._gathered = self._gathered[: self._most], self._gathered[self._most :]
            await self._send(together)
