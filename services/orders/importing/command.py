"""`python -m services.orders import FILE`: orders from a file, through the same door as all others."""

import asyncio
import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from services.orders.app import build
from services.orders.handlers.checking import faulty_fields_of
from services.orders.handlers.place_order import place_order
from services.orders.importing.records import Submitted, WrongFile, read
from services.orders.settings import Settings
from services.orders.store import Store
from shared.contracts.channels import OrderSubmitted
from shared.contracts.envelope import FieldError, as_text
from shared.contracts.field_errors import field_errors
from shared.db.ids import new_id
from shared.messaging.message import Command, Done, Outcome, Refused
from shared.runtime.service import Service
from shared.runtime.settings import load
from shared.telemetry import logging

app = typer.Typer()
_AT_ONCE = 500


class _Undo(Exception):
    """Ends a transaction that was only a rehearsal."""


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help=".jsonl, .ndjson or .csv")
    ],
    dry_run: Annotated[bool, typer.Option(help="say what would happen and change nothing")] = False,
    refused: Annotated[
        Path | None, typer.Option(help="write refused rows with reasons to this CSV file")
    ] = None,
) -> None:
    """Capture the orders of a file. Running it again changes nothing; exit code 1 when a row was refused."""
    settings = load(Settings)
    logging.configure("orders-import", "warning")
    try:
        counts = asyncio.run(_import(settings, file, file.stat().st_size, dry_run, refused))
    except WrongFile as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    what = ", ".join(f"{counts[name]} {name}" for name in ("accepted", "known before", "refused"))
    typer.echo(
        f"{sum(counts.values())} orders: {what}" + (" (dry run: nothing was changed)" if dry_run else "")
    )
    if counts["refused"] and refused is not None:
        typer.echo(f"reasons: {refused}")
    raise typer.Exit(1 if counts["refused"] else 0)


async def _import(
    settings: Settings, file: Path, size: int, dry_run: bool, refused: Path | None
) -> Counter[str]:
    service = build(settings)
    counts: Counter[str] = Counter()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=Console(stderr=True)) as progress, _refusals(refused) as refuse:
            task = progress.add_task(file.name, total=size)
            records = read(file, lambda done: progress.advance(task, done))
            while batch := list(islice(records, _AT_ONCE)):
                for record, outcome in zip(batch, await _place(service, batch, dry_run), strict=True):
                    counts[_kind(outcome)] += 1
                    if isinstance(outcome, Refused):
                        refuse(record, outcome)
    finally:
        await service.engine.dispose()
    return counts


@contextmanager
def _refusals(path: Path | None) -> Iterator[Callable[[Submitted, Refused], None]]:
    """How refused rows are told: one line per faulty field, into a CSV file if one is wanted."""
    if path is None:
        yield lambda _record, _outcome: None
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("row", "channel", "external_id", "field", "problem", "remedy"))

        def refuse(record: Submitted, outcome: Refused) -> None:
            name = (as_text(record.body.get("channel")), as_text(record.body.get("external_id")))
            for error in outcome.errors:
                rows.writerow((record.row_of(error.field), *name, error.field, error.problem, error.remedy))

        yield refuse


async def _place(
    service: Service[Store, Settings], batch: Sequence[Submitted], dry_run: bool
) -> list[Outcome]:
    orders = [_order(record, service.settings) for record in batch]
    valid = [order for order in orders if isinstance(order, OrderSubmitted)]
    placed = iter(await (_rehearse(service, valid) if dry_run else _capture(service, valid)))
    return [next(placed) if isinstance(order, OrderSubmitted) else order for order in orders]


def _order(record: Submitted, settings: Settings) -> OrderSubmitted | Refused:
    broken: tuple[FieldError, ...] = record.errors
    try:
        order = OrderSubmitted.model_validate(record.body, extra="forbid")
        if not broken:
            return order
    except ValidationError as error:
        if record.body or not broken:
            broken = (*broken, *field_errors(error))
    errors = faulty_fields_of(record.body, broken, settings.policy) if record.body else broken
    return Refused(422, "faulty_fields", "", errors)


async def _capture(service: Service[Store, Settings], orders: Sequence[OrderSubmitted]) -> Sequence[Outcome]:
    return await asyncio.gather(*(service.command(place_order, order, actor="import") for order in orders))


async def _rehearse(service: Service[Store, Settings], orders: Sequence[OrderSubmitted]) -> Sequence[Outcome]:
    outcomes: Sequence[Outcome] = ()
    commands = [Command(new_id(), order, "import", service.tracing.new_trace()) for order in orders]
    try:
        async with service.transaction() as tx:
            outcomes = await place_order(commands, tx)
            raise _Undo
    except _Undo:
        return outcomes


def _kind(outcome: Outcome) -> str:
    if isinstance(outcome, Done):
        return "accepted" if outcome.body["new"] else "known before"
    return "refused"
