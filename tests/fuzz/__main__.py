"""python -m tests.fuzz: the long form, on a Kafka and a PostgreSQL of its own. Writes build/fuzz.json."""

import asyncio
import os
import secrets
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.local import Platform, start_platform
from deploy.local.platform import TEMPORARY, sweep
from deploy.local.topics import apply
from tests.fuzz.report import Report
from tests.fuzz.run import LONG, SHARES, attack
from tests.fuzz.suite import suite

REPORT = Path("build/fuzz.json")


def main(
    inputs: Annotated[int, typer.Option(min=500, help="how many bad inputs to try")] = LONG,
    seed: Annotated[
        int, typer.Option(help="the same seed makes the same messages, files, mails and labels")
    ] = 1,
) -> None:
    """Try bad input of every kind on the five services. Exit code 1 when something happened that should not."""
    console = Console()
    report = Report(seed, inputs)
    sweep()
    with start_platform(TEMPORARY / f"fuzz-{os.getpid()}", temporary=True) as platform:
        asyncio.run(_run(platform, report, console))
    report.write(REPORT)
    for kind, counter in report.outcomes.items():
        shown = ", ".join(f"{count} {outcome}" for outcome, count in counter.most_common(12))
        console.print(f"{kind}: {counter.total()} ({shown})", highlight=False)
    for line in report.lines():
        console.print(line, style="red", markup=False, highlight=False)
    console.print(f"{report.inputs} bad inputs, {len(report.findings)} kinds of findings; {REPORT}")
    sys.exit(1 if report.findings else 0)


async def _run(platform: Platform, report: Report, console: Console) -> None:
    prefix = f"fuzz{secrets.token_hex(3)}."
    apply(platform.kafka, prefix=prefix)
    columns = (TextColumn("{task.description:8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with tempfile.TemporaryDirectory() as folder, Progress(*columns, console=console) as progress:
        bars = {
            kind: progress.add_task(kind, total=int(report.wanted * share)) for kind, share in SHARES.items()
        }
        async with suite(platform, prefix, Path(folder)) as running:
            await attack(
                running, report, report.wanted, lambda kind, count: progress.advance(bars[kind], count)
            )


if __name__ == "__main__":
    typer.run(main)
