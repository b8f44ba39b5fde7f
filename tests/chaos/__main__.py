"""python -m tests.chaos: the suite under load while everything fails, with a verdict. Exit code 0 only if all held."""

import logging
import signal
import sys
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from deploy.demo.services import Unexpected
from deploy.local import PlatformError
from tests.chaos import report
from tests.chaos.faults import FAULTS
from tests.chaos.plan import planned
from tests.chaos.run import Run

console = Console() if sys.stdout.isatty() else Console(width=160)
_KINDS = "\n\n".join(f"{kind}: {fault.story}" for kind, fault in FAULTS.items())


def chaos(
    faults: Annotated[
        str | None, typer.Option(help="Only these kinds, comma-separated, a few times each.", metavar="A,B")
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="With --faults: how often each strikes alone.")
    ] = None,
    apart: Annotated[bool, typer.Option("--apart", help="With --faults: none of them together.")] = False,
    short: Annotated[bool, typer.Option("--short", help="Three minutes instead of an hour.")] = False,
    seed: Annotated[int, typer.Option(help="The same seed plans the same orders and faults.")] = 1,
) -> None:
    """Let orders flow at half of what this machine does while processes, servers and networks fail.

    Starts a Kafka and a PostgreSQL of its own, eight service processes behind a TCP proxy, and the demo's players.
    Faults come one at a time and then several together; then everything comes to rest and the books are checked.
    Report: build/chaos.json, picture: build/chaos.png, logs: build/chaos/.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # That the players' own clients lose the broker is what is wanted; they say so many times a second.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    only = [kind.strip() for kind in faults.split(",") if kind.strip()] if faults else []
    try:
        plan = planned(seed, short=short, only=only, rounds=rounds, apart=apart)
        disk = "disk-full" in {*plan.alone, *plan.together}
        found = uvloop.run(Run(seed, plan, console, disk).perform())
    except KeyboardInterrupt:
        console.print("\nstopped; everything that was started is down")
        sys.exit(130)
    except (PlatformError, Unexpected, ValueError) as error:
        console.print(f"[red]error:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)
    report.show(found, console)
    console.print("\nreport: build/chaos.json, picture: build/chaos.png, logs: build/chaos/", highlight=False)
    sys.exit(0 if report.sound(found) else 1)


if __name__ == "__main__":
    command = typer.Typer(add_completion=False, rich_markup_mode=None)
    command.command(epilog=_KINDS)(chaos)
    command()
