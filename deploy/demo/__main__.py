"""python -m deploy.demo: real orders through all services, with a verdict. Exit code 0 only if all is true."""

import asyncio
import logging
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console

from deploy.demo import report as reporting
from deploy.demo.datasets import Dataset, DatasetError, open_dataset
from deploy.demo.display import Display
from deploy.demo.ending import cancelling, interruptible
from deploy.demo.invariants import check, count_dead_letters
from deploy.demo.play import Play, Played
from deploy.demo.quiet import Quiet
from deploy.demo.services import Http, Unexpected
from deploy.demo.setting_up import load
from deploy.demo.stage import Stage, stage
from deploy.local import PlatformError
from deploy.local.progress import shown
from deploy.local.settings import ROOT, SERVICES

# Where there is no terminal, nobody says how wide it is: wide enough for a line of the log.
console = Console() if sys.stdout.isatty() else Console(width=160)
_LOOK_AGAIN = 1.0

command = typer.Typer(add_completion=False, rich_markup_mode=None)


@command.command()
def demo(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder with the olist or the online-retail files, recognised by their names.",
            metavar="FOLDER",
        ),
    ] = None,
    orders: Annotated[
        int | None,
        typer.Option(min=1, help="How many orders; 2,000 are generated, of a data set all are replayed."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same orders, people and mishaps.")] = 1,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running; `make down` stops it.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Where report and mails go.", metavar="FOLDER")] = ROOT / "build",
) -> None:
    """Play a shop for the suite, from the first order to the last refund, and judge what came of it.

    Starts Kafka, PostgreSQL and the five services on databases and topics of their own, loads places and stock,
    submits orders over HTTP and over Kafka, and plays everybody around the suite: payers and their bank, warehouse,
    carrier, customers who cancel and return. When nothing moves any more the invariants are checked over all five
    databases. Figures and verdict go to build/demo.json, mails to build/mails.
    """
    # The client says many times a second that a broker is away; that it died is said once, below.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        with interruptible():
            dataset = open_dataset(data, orders=orders, seed=seed)
            broken = _perform(dataset, out, seed=seed, keep=keep)
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("\nstopped; everything that was started is down")
        sys.exit(130)
    except (PlatformError, DatasetError, Unexpected, TimeoutError) as error:
        console.print(f"[red]error:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)
    if keep:
        console.print("left running, except the mail server; `make status` shows it, `make down` stops it")
    sys.exit(1 if broken else 0)


def _perform(dataset: Dataset, out: Path, *, seed: int, keep: bool) -> int:
    """Set the stage, play and judge; returns the number of broken invariants."""
    console.print(f"[bold]{dataset.name}[/]: {dataset.story}")
    with ExitStack() as stack:
        with shown(console) as progress:
            set_stage = stack.enter_context(stage(progress, out, keep=keep))
        return uvloop.run(_watched(dataset, set_stage, seed, out))


async def _watched(dataset: Dataset, set_stage: Stage, seed: int, out: Path) -> int:
    """The play, given up at once when a process that it needs has died."""
    playing = asyncio.create_task(_play(dataset, set_stage, seed, out))
    watching = asyncio.create_task(_watch(set_stage))
    try:
        with cancelling(playing):
            await asyncio.wait((playing, watching), return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()  # Raises: it ends only by saying who died.
            try:
                return await playing
            except Exception:
                set_stage.check()  # Who died is the better explanation.
                raise
    finally:
        for task in (playing, watching):
            task.cancel()
        await asyncio.gather(playing, watching, return_exceptions=True)


async def _watch(set_stage: Stage) -> None:
    while True:
        await asyncio.to_thread(set_stage.check)
        await asyncio.sleep(_LOOK_AGAIN)


async def _play(dataset: Dataset, set_stage: Stage, seed: int, out: Path) -> int:
    http = Http({name: set_stage.services.url(name) for name in SERVICES})
    watching = Quiet(set_stage.databases, set_stage.platform.kafka, set_stage.prefix)
    async with http, watching as quiet:
        with shown(console) as progress:
            stocked = await load(dataset, http, progress)
        console.print(", ".join(f"{count:,} {what}" for what, count in stocked.items()), highlight=False)
        play = Play(dataset, http, set_stage.platform.kafka, set_stage.prefix, seed, quiet)
        played = await play.run(Display(play.book, http, console, dataset).run())
        report = await _judge(played, set_stage, out)
        await _tell(report, played, dataset, http)
    return sum(not verdict["ok"] for verdict in report["invariants"].values())


async def _judge(played: Played, set_stage: Stage, out: Path) -> dict[str, Any]:
    mails = set_stage.mailbox.distinct()
    verdicts = await asyncio.to_thread(check, set_stage.databases, played.submitted(mails))
    report = reporting.as_json(
        played,
        verdicts,
        set_stage.platform.versions,
        mails=mails,
        dead_letters=await asyncio.to_thread(count_dead_letters, set_stage.databases),
    )
    reporting.write(report, out / "demo.json")
    return report


async def _tell(report: dict[str, Any], played: Played, dataset: Dataset, http: Http) -> None:
    if played.book.example is not None:
        answer = await http.get("orders", f"/orders/{played.book.example}")
        reporting.show_order(answer.body, console)
    reporting.show(report, played, dataset, console)
    console.print("\n[bold]API documentation[/]")
    for name, url in http.urls.items():
        console.print(f"  {name:14} {url}/docs", highlight=False)


if __name__ == "__main__":
    command()
