"""python -m tests.bench.load: one run; settings come as JSON on standard input, marks go out as JSON lines."""

import asyncio
import gc
import sys
import time

import psycopg
import uvloop

from tests.bench.load.book import HEARS, Book
from tests.bench.load.pace import Window, backlog, closed, opened
from tests.bench.load.settings import LoadSettings, Mark
from tests.bench.load.web import Web
from tests.bench.load.wire import Wire


async def run(settings: LoadSettings) -> None:
    """Connect, pace, wait for the last order, answer."""
    wire = Wire(settings.kafka, settings.prefix, HEARS)
    web = Web(settings.http, settings.connections) if settings.intake == "http" and settings.http else None
    async with await psycopg.AsyncConnection.connect(settings.orders_database, autocommit=True) as database:
        await wire.start()
        if web is not None:
            await web.start()
        say(Mark(what="connected", backends=(database.info.backend_pid,)))
        book = Book(settings, wire, web, database)
        window = Window(settings, book, say)
        try:
            async with asyncio.TaskGroup() as tasks:
                background = [tasks.create_task(book.listen()), tasks.create_task(book.watch())]
                pace = backlog if settings.backlog else opened if settings.rate else closed
                await pace(settings, book, wire, window)
                await drained(settings, book, wire)
                for task in background:
                    task.cancel()
        finally:
            await wire.stop()
            if web is not None:
                await web.stop()
        say(window.result())


async def drained(settings: LoadSettings, book: Book, wire: Wire) -> None:
    """Wait for the orders under way, but not for ever."""
    until = time.perf_counter() + settings.patience
    while (book.under_way or book.to_void > 0) and time.perf_counter() < until:
        if wire.failure is not None:
            raise wire.failure
        await asyncio.sleep(0.05)


def say(mark: Mark) -> None:
    """Tell the parent."""
    print(mark.model_dump_json(), flush=True)


if __name__ == "__main__":
    gc.freeze()
    uvloop.run(run(LoadSettings.model_validate_json(sys.stdin.readline())))
