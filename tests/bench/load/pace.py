"""When orders are submitted: a number in flight, a rate that waits for nobody, or a heap that lies there already."""

import asyncio
import time
from collections.abc import Callable

from tests.bench.load.book import Book
from tests.bench.load.settings import LoadSettings, Mark
from tests.bench.load.wire import Wire

_TICK = 0.02
"""Seconds between two submissions of an open loop. The orders that came due meanwhile are sent together, as a channel's
own producer would do; their clocks started when each was due."""
_HEAP = 2_000


class Window:
    """The stretch of a run that is measured, and the marks that tell of it."""

    def __init__(self, settings: LoadSettings, book: Book, say: Callable[[Mark], None]) -> None:
        self._settings = settings
        self._book = book
        self._say = say
        self._began: float | None = None
        self._sliced = 0.0
        self._ended_before = 0
        self._seconds = 0.0
        self._ended = 0

    def begin(self) -> None:
        """What ends from now on counts."""
        self._began = self._sliced = time.perf_counter()
        self._ended_before = self._book.ended
        self._book.counting = True
        self._say(self._mark("begin"))

    def tick(self) -> None:
        """Tell of a slice when it is over."""
        now = time.perf_counter()
        if self._began is not None and now - self._sliced >= self._settings.slice_seconds:
            self._sliced += self._settings.slice_seconds
            mark = self._mark("slice")
            mark.figures = self._book.slice.figures()
            self._book.slice.reset()
            self._say(mark)

    def end(self) -> None:
        """What ends from now on no longer counts."""
        assert self._began is not None
        self._book.counting = False
        self._seconds = time.perf_counter() - self._began
        self._ended = self._book.ended - self._ended_before
        self._say(self._mark("end"))

    def loaded(self) -> None:
        """A heap lies on its topic."""
        self._say(self._mark("loaded"))

    def result(self) -> Mark:
        """What came of it."""
        book = self._book
        return Mark(
            what="result", ended=self._ended, submitted=book.submitted, seconds=self._seconds,
            figures=book.latencies.figures(), unfinished=book.under_way, unexpected=book.unexpected,
            shipped=book.shipped, cancelled=book.cancelled,
        )  # fmt: skip

    def _mark(self, what: str) -> Mark:
        since = time.perf_counter() - self._began if self._began is not None else 0.0
        return Mark.model_validate(
            {"what": what, "ended": self._book.ended, "submitted": self._book.submitted, "seconds": since}
        )


async def closed(settings: LoadSettings, book: Book, _: Wire, window: Window) -> None:
    """As many orders under way as `in_flight` says: the next is submitted when one has ended."""
    assert settings.in_flight is not None
    start = time.perf_counter()
    measuring = False
    while (now := time.perf_counter()) < start + settings.warm_up + settings.seconds:
        if not measuring and now >= start + settings.warm_up:
            measuring = True
            window.begin()
        window.tick()
        book.moved.clear()
        if room := settings.in_flight - book.under_way:
            due = time.perf_counter()
            await book.submit([due] * room)
        try:
            await asyncio.wait_for(book.moved.wait(), 0.5)
        except TimeoutError:
            continue
    window.end()


async def opened(settings: LoadSettings, book: Book, _: Wire, window: Window) -> None:
    """Orders come at their rate whether or not earlier ones are done, and their clocks start when they are due."""
    assert settings.rate is not None
    start = time.perf_counter()
    count = 0
    measuring = False
    begins = start + settings.warm_up
    book.due_window = (begins, begins + settings.seconds)
    while (now := time.perf_counter()) < begins + settings.seconds:
        if not measuring and now >= begins:
            measuring = True
            window.begin()
        window.tick()
        due_by_now = int((now - start) * settings.rate)
        if due_by_now > count:
            await book.submit([start + number / settings.rate for number in range(count, due_by_now)])
            count = due_by_now
        await asyncio.sleep(_TICK)
    window.end()


async def backlog(settings: LoadSettings, book: Book, wire: Wire, window: Window) -> None:
    """Put all orders on their topic before anybody reads it, and measure from the first that ends to the last."""
    assert settings.backlog is not None
    while book.submitted < settings.backlog:
        now = time.perf_counter()
        await book.submit([now] * min(_HEAP, settings.backlog - book.submitted))
        await wire.sent()
    window.loaded()
    while book.ended == 0:
        await asyncio.sleep(0.01)
    window.begin()
    until = time.perf_counter() + settings.seconds
    while book.under_way and time.perf_counter() < until:
        window.tick()
        await asyncio.sleep(0.05)
    window.end()
