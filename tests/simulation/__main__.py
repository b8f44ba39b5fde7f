"""`make simulate`: histories by the thousand, and the planted faults; the report is `build/simulate.json`."""

import gc
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.simulation.blueprints import silence
from tests.simulation.history import History, Script, script
from tests.simulation.mutants import MUTANTS, seeds_until_found
from tests.simulation.shrink import shrink

REPORT = Path("build/simulate.json")
_AT_ONCE = 50
_SHRUNK = 5
"""Failing seeds that are shrunk; the others are only named."""
_MUTANT_SEEDS = 500
console = Console(highlight=False)


@dataclass
class Failure:
    """A seed whose history broke invariants, and what is left of it when it is made short."""

    seed: int
    invariants: dict[str, str]
    orders: list[int] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)

    @property
    def command(self) -> str:
        """Plays it again, step by step."""
        chosen = ""
        if self.steps or self.orders:
            chosen = f' ARGS="--orders {_listed(self.orders)} --steps {_listed(self.steps)}"'
        return f"make simulate SEED={self.seed}{chosen}"


def main(
    seeds: Annotated[int, typer.Option(help="How many histories to play.", min=1)] = 3_000,
    first: Annotated[int, typer.Option(help="The first seed.")] = 0,
    seed: Annotated[int | None, typer.Option(help="Play this seed alone and tell it step by step.")] = None,
    orders: Annotated[str, typer.Option(help="With --seed: only these orders, e.g. 0,2.")] = "",
    steps: Annotated[str, typer.Option(help="With --seed: only these steps, e.g. 3,8,21; - for none.")] = "",
    workers: Annotated[int, typer.Option(help="Processes; by default one per core.")] = os.cpu_count() or 1,
    mutants: Annotated[
        bool, typer.Option(help="Whether to plant faults afterwards and look for them.")
    ] = True,
    report: Annotated[Path, typer.Option(help="Where the report goes.")] = REPORT,
) -> None:
    """Play histories of all five services in memory: every interleaving, every crash, then every invariant.

    Ends with 1 if an invariant broke or a planted fault was not found.
    """
    if seed is not None:
        raise typer.Exit(_tell(seed, orders, steps))
    started = time.perf_counter()
    failures = _play(range(first, first + seeds), workers)
    seconds = time.perf_counter() - started
    found = _look_for_mutants(workers) if mutants else {}
    result = {
        "seeds": seeds,
        "first_seed": first,
        "workers": workers,
        "seconds": round(seconds, 1),
        "histories_per_second": round(seeds / seconds, 1),
        "failures": [asdict(failure) | {"command": failure.command} for failure in failures],
        "mutants": found,
    }
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(result, indent=2) + "\n")
    _summary(result, failures, found, report)
    raise typer.Exit(int(bool(failures) or None in found.values()))


def _play(seeds: range, workers: int) -> list[Failure]:
    """All histories; failing ones are told at once, and the first are shrunk."""
    failures: list[Failure] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("histories", total=len(seeds))
        for count, broken in _results(seeds, workers):
            progress.update(task, advance=count)
            for number, invariants in broken:
                failures.append(Failure(number, invariants))
                console.print(f"seed {number} breaks {', '.join(invariants)}", style="red")
    for failure in failures[:_SHRUNK]:
        short = shortest(failure)
        failure.orders, failure.steps = list(short.orders), list(short.steps)
    return failures


def _results(seeds: range, workers: int) -> Iterator[tuple[int, list[tuple[int, dict[str, str]]]]]:
    parts = [seeds[start : start + _AT_ONCE] for start in range(0, len(seeds), _AT_ONCE)]
    if workers == 1:
        yield from map(play, parts)
        return
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        yield from pool.imap_unordered(play, parts)


def play(seeds: range) -> tuple[int, list[tuple[int, dict[str, str]]]]:
    """Some histories: how many, and those that broke something."""
    broken = []
    if not gc.get_freeze_count():
        # What was imported is no garbage, and looking through it takes as long as a history, which leaves little.
        gc.freeze()
        gc.disable()
    with silence():
        for number in seeds:
            history = History(script(number))
            failures = history.play().failures
            history.forget()
            if failures:
                broken.append((number, failures))
    gc.collect()
    return len(seeds), broken


def shortest(failure: Failure) -> Script:
    """The shortest history of a seed that still breaks one of the same invariants."""

    def fails(candidate: Script) -> bool:
        return not failure.invariants.keys().isdisjoint(History(candidate).play().failures)

    with silence():
        return shrink(script(failure.seed), fails)


def _look_for_mutants(workers: int) -> dict[str, int | None]:
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        found = pool.starmap(seeds_until_found, [(name, _MUTANT_SEEDS) for name in MUTANTS], chunksize=1)
    return dict(zip(MUTANTS, found, strict=True))


def _tell(seed: int, orders: str, steps: str) -> int:
    whole = script(seed)
    chosen = Script(seed, _numbers(orders, whole.orders), _numbers(steps, whole.steps))
    console.print(f"seed {seed}: orders {_listed(chosen.orders)}, {len(chosen.steps)} steps")
    with silence():
        outcome = History(chosen, tell=lambda text: console.print(text, soft_wrap=True, markup=False)).play()
    for name, detail in outcome.failures.items():
        console.print(f"BROKEN {name}: {detail}", style="red", markup=False, soft_wrap=True)
    console.print("every invariant holds" if not outcome.failures else f"{len(outcome.failures)} broken")
    return int(bool(outcome.failures))


def _numbers(text: str, otherwise: tuple[int, ...]) -> tuple[int, ...]:
    if not text:
        return otherwise
    return () if text == "-" else tuple(int(number) for number in text.split(","))


def _listed(numbers: "list[int] | tuple[int, ...]") -> str:
    return ",".join(str(number) for number in numbers) or "-"


def _summary(
    result: dict[str, object], failures: list[Failure], found: dict[str, int | None], report: Path
) -> None:
    console.print(
        f"{result['seeds']} histories, {result['histories_per_second']} a second, {len(failures)} failed"
    )
    for failure in failures[:_SHRUNK]:
        console.print(f"  {failure.command}", markup=False, soft_wrap=True)
        for name, detail in failure.invariants.items():
            console.print(f"    {name}: {detail}", markup=False, soft_wrap=True)
    missed = [name for name, count in found.items() if count is None]
    if found:
        console.print(f"{len(found) - len(missed)} of {len(found)} planted faults found")
    for name in missed:
        console.print(f"  not found within {_MUTANT_SEEDS} seeds: {name}", style="red")
    console.print(f"report: {report}")


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of sets is part of a history: the same in every process, so that a seed replays.
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.simulation", *sys.argv[1:]],
            os.environ | {"PYTHONHASHSEED": "0"},
        )
    typer.run(main)
