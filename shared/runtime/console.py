"""What commands for people share: a service at hand that does not run, errors in two lines, text safe to show."""

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import typer
from rich.console import Console

from shared.messaging.retry import transient
from shared.runtime.service import Service
from shared.runtime.settings import ServiceSettings, load
from shared.telemetry import logging

C = TypeVar("C", bound=ServiceSettings)
T = TypeVar("T")


class Problem(Exception):
    """Something a person can mend: said in two lines, exit code 1."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


class AtHand:
    """Runs work with a service that is built from the settings and does not run: no roles, no HTTP, no consumer."""

    def __init__(
        self, name: str, settings: type[C], build: Callable[[C], Service[Any, C]], command: str
    ) -> None:
        self._name = name
        self._settings: Any = settings
        self._build: Any = build
        self._command = command

    def __call__(self, work: Callable[[Service[Any, Any]], Awaitable[T]]) -> T:
        """The result of `work`; ends the process with a clear error when database, broker or schema are not there."""
        values = load(self._settings)
        logging.configure(f"{self._name} {self._command}", "warning")
        with explained(values):
            return run_async(self._with_service(values, work))

    async def _with_service(self, values: Any, work: Callable[[Service[Any, Any]], Awaitable[T]]) -> T:
        service: Service[Any, Any] = self._build(values)
        try:
            schema = await service.schema()
            if schema.problem is not None:
                raise Problem(schema.problem, str(schema.remedy))
            return await work(service)
        finally:
            await service.engine.dispose()
            await asyncio.to_thread(service.tracing.shutdown)


@contextmanager
def explained(values: ServiceSettings) -> Iterator[None]:
    """Ends the process in two lines when the block meets a Problem or a database that is not there."""
    try:
        yield
    except Exception as error:
        problem = error if isinstance(error, Problem) else _database_away(error, values)
        if problem is None:
            raise
        typer.echo(f"error: {problem}\nwhat to do: {problem.remedy}", err=True)
        raise typer.Exit(1) from None


def _database_away(error: Exception, values: ServiceSettings) -> Problem | None:
    if transient(error) is None:
        return None
    prefix = str(values.model_config.get("env_prefix", ""))
    return Problem(
        f"the database does not answer: {_last_line(error)}",
        f"check that it runs and that {prefix}DATABASE_URL is right, then run the same command again",
    )


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in the event loop that services use."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


def create_console() -> Console:
    """A terminal as wide as it is; a pipe as wide as a table needs."""
    return Console(width=None if sys.stdout.isatty() else 200)


def echo_json(value: Any) -> None:
    """For scripts: one JSON document on standard output."""
    typer.echo(json.dumps(value, default=str, ensure_ascii=False, indent=2))


def printable(text: str) -> str:
    """Text of strangers for a terminal: control characters, which could move the cursor or more, are spelled out."""
    return _CONTROL.sub(lambda found: ascii(found.group())[1:-1], text)


def _last_line(error: BaseException) -> str:
    # Where drivers put the reason; SQLAlchemy adds a link.
    lines = [line for line in str(error).splitlines() if line.strip() and "sqlalche.me" not in line]
    return lines[-1].strip()[:200] if lines else type(error).__name__


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
