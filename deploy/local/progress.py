"""Telling a person what takes time."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

Advance = Callable[[], None]


class Report(Protocol):
    """Where steps are reported; may be called from several threads."""

    def step(self, what: str, total: int | None = None) -> AbstractContextManager[Advance]: ...


class Silent:
    """Says nothing; for tests."""

    @contextmanager
    def step(self, what: str, total: int | None = None) -> Iterator[Advance]:
        yield lambda: None


class Lines:
    """One line per finished step; for logs."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, what: str, total: int | None = None) -> Iterator[Advance]:
        started = time.monotonic()
        yield lambda: None
        self._console.print(f"  {what} ({time.monotonic() - started:.1f} s)", highlight=False)


class Bars:
    """Spinners and bars that move; for a terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    @contextmanager
    def step(self, what: str, total: int | None = None) -> Iterator[Advance]:
        task = self._progress.add_task(what, total=total)
        yield lambda: self._progress.advance(task)
        count = total or 1
        self._progress.update(task, total=count, completed=count)


@contextmanager
def shown(console: Console) -> Iterator[Report]:
    """A report for this console: moving on a terminal, lines elsewhere."""
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield Bars(progress)
