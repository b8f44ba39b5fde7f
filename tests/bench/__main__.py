"""python -m tests.bench [--scenarios a,b,c] [--short]: the whole benchmark, set-up included."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from deploy.local import Platform, PlatformError, start_platform
from deploy.local.native_postgres import SERVER_SETTINGS
from deploy.local.platform import TEMPORARY, sweep
from deploy.local.progress import shown
from tests.bench import report, targets
from tests.bench.run import Failed, run
from tests.bench.scenarios import Scenario, Stage, chosen
from tests.bench.systems import Baseline, Ours, System
from tests.bench.systems.surroundings import Surroundings
from tests.bench.verdicts import Ledger

console = Console()
_SHORT = 0.5
"""How much of warm-up and window the short set takes."""
_SERVER = {"shared_buffers": "2GB", "max_wal_size": "8GB"}
"""Memory and log as `docs/scaling.md` wants them at such rates; all else is as for work on this code."""


def bench(
    scenarios: Annotated[
        str | None, typer.Option(help="Names, comma-separated; `baseline` and `ours` mean all of theirs.")
    ] = None,
    short: Annotated[bool, typer.Option("--short", help="The short set, with shorter windows.")] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Look into the processes with py-spy; slower.")
    ] = False,
    into: Annotated[Path, typer.Option(help="Where the figures go.")] = report.RESULTS,
) -> None:
    """Measure the suite and its baseline on this machine, one after the other, and say what was reached.

    Starts Kafka and PostgreSQL of its own and removes them afterwards. Exit code 1 if an invariant is broken.
    """
    try:
        plan = chosen(scenarios, short=short)
        results = measure(plan, brief=_SHORT if short else 1.0, profiled=profile, into=into)
    except (ValueError, PlatformError, Failed, TimeoutError) as error:
        console.print(f"[red]error:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("\nstopped; everything that was started is down")
        sys.exit(130)
    results["targets"] = targets.judged(results["scenarios"])
    report.write(results, into)
    report.draw(results, into)
    targets.show(results["scenarios"], console)
    console.print(f"\nfigures: {into}, plots: {into.parent}/bench-*.png", highlight=False)
    sys.exit(0 if all(result["invariants_ok"] for result in results["scenarios"]) else 1)


def measure(plan: list[Scenario], *, brief: float, profiled: bool, into: Path) -> dict[str, Any]:
    """Run the plan on a platform of its own; figures are written after every scenario."""
    began = time.monotonic()
    sweep()
    table = report.Table(console)
    machine = report.machine()
    SERVER_SETTINGS.update(_SERVER)
    with shown(console) as progress:
        platform = start_platform(TEMPORARY / "bench", temporary=True, report=progress)
    done: list[dict[str, Any]] = []
    with platform, Surroundings() as surroundings:
        about = report.about(platform, machine)
        for stage, group in groupby(plan, lambda scenario: scenario.stage):
            with _stage(stage, platform, surroundings) as system:
                for result in _perform(system, list(group), done, brief, profiled=profiled):
                    done.append(result)
                    table.add(result)
                    report.write(about | {"scenarios": done}, into)
    return about | {"minutes": round((time.monotonic() - began) / 60, 1), "scenarios": done}


def _perform(
    system: System, scenarios: list[Scenario], done: list[dict[str, Any]], brief: float, *, profiled: bool
) -> Iterator[dict[str, Any]]:
    """The entries of these scenarios, one after the other; `done` are those of the run so far."""
    ledger = Ledger()
    for scenario in scenarios:
        rate = None
        if scenario.share is not None:
            rate = scenario.share * _maximum(done)
        outcome = run(system, scenario, rate=rate, brief=brief, profiled=profiled)
        ledger.add(outcome)
        verdicts = ledger.judge(system, scenario, outcome.mark)
        outcome.result["invariants"] = verdicts
        outcome.result["invariants_ok"] = all(verdict["ok"] for verdict in verdicts.values())
        yield outcome.result


def _maximum(done: list[dict[str, Any]]) -> float:
    """Orders per second that a closed loop of ours reached so far."""
    found = [result["orders_per_second"] for result in done if result["name"].startswith("closed-")]
    if not found:
        raise ValueError("open loops follow from the maximum: add closed-1000 to SCENARIOS")
    return max(found)


@contextmanager
def _stage(stage: Stage, platform: Platform, surroundings: Surroundings) -> Iterator[System]:
    system: System
    if stage == "baseline":
        system = Baseline(platform)
    elif stage == "intake":
        system = Ours(platform, surroundings.environment, services=("orders",), roles="api,relay")
    else:
        system = Ours(platform, surroundings.environment, copies=2 if stage == "pairs" else 1)
    try:
        yield system
    finally:
        system.stop()


if __name__ == "__main__":
    typer.run(bench)
