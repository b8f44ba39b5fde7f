"""What people run beside the service: the audit and the import of files."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from services.inventory.api.documents import AdjustmentEntry, PlaceEntry, SkuEntry
from services.inventory.handlers.adjust_stock import adjust_stock_in_bulk
from services.inventory.handlers.put_places import put_places
from services.inventory.handlers.put_skus import put_skus
from services.inventory.importing.files import WrongFile, read_rows
from services.inventory.importing.load import Answer, chunks, load, name_of
from services.inventory.jobs import audit
from services.inventory.settings import Settings
from services.inventory.store import Store
from shared.runtime.service import Service
from shared.runtime.settings import load as load_settings
from shared.telemetry import logging

Build = Callable[[Settings], Service[Store, Settings]]
T = TypeVar("T")


class What(StrEnum):
    """What a file holds."""

    SKUS = "skus"
    PLACES = "places"
    ADJUSTMENTS = "adjustments"


_LOADERS: dict[What, tuple[Any, type[SkuEntry | PlaceEntry | AdjustmentEntry]]] = {
    What.SKUS: (put_skus, SkuEntry),
    What.PLACES: (put_places, PlaceEntry),
    What.ADJUSTMENTS: (adjust_stock_in_bulk, AdjustmentEntry),
}


def create_tools(build: Build) -> typer.Typer:
    """The commands, for `python -m services.inventory`."""
    app = typer.Typer()
    console = Console()

    @app.command("audit")
    def audit_now() -> None:
        """Compare counters with the ledger's sums and with what reservations hold. Exit code 1 when they differ."""
        found = _with_service(build, audit)
        if not found:
            console.print(
                "counters equal the ledger's sums, and reserved units are exactly those held for orders"
            )
            return
        table = Table("sku", "place", "counter", "counted", "explained")
        for row in found:
            table.add_row(
                row["sku"], row["place_id"], row["counter"], str(row["counted"]), str(row["explained"])
            )
        console.print(table)
        raise typer.Exit(1)

    @app.command("import")
    def import_file(
        what: What,
        file: Annotated[
            Path, typer.Argument(exists=True, dir_okay=False, readable=True, help=".csv, or JSON Lines")
        ],
        dry_run: Annotated[bool, typer.Option(help="say what would be refused, change nothing")] = False,
        refused: Annotated[
            Path | None, typer.Option(help="where refused rows go [FILE.refused.jsonl]")
        ] = None,
    ) -> None:
        """Load SKUs, places or adjustments; safe to repeat. Refused rows are written with reasons, exit code 1."""
        target = refused or file.with_name(file.name + ".refused.jsonl")

        target.unlink(missing_ok=True)
        size = file.stat().st_size

        async def work(service: Service[Store, Settings]) -> Counter[str]:
            return await _import(service, what, file, size, target, dry_run=dry_run)

        try:
            counts = _with_service(build, work)
        except WrongFile as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from None
        summary = ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "no rows"
        console.print(f"{what} {'(dry run) ' if dry_run else ''}: {summary}")
        if counts["refused"]:
            console.print(f"refused rows and reasons: {target}")
            raise typer.Exit(1)

    return app


async def _import(
    service: Service[Store, Settings], what: What, file: Path, size: int, target: Path, *, dry_run: bool
) -> Counter[str]:
    handler, model = _LOADERS[what]
    counts = Counter[str]()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[rows]} rows"),
        TimeElapsedColumn(),
    )
    with Progress(*columns) as progress:
        bar = progress.add_task(f"importing {what}", total=size, rows=0)
        for chunk in chunks(read_rows(file, model)):
            answers = await load(service, handler, model, chunk, dry_run=dry_run)
            counts.update(answer.status for answer in answers)
            _write_refused(target, [answer for answer in answers if answer.status == "refused"], model)
            progress.update(bar, completed=chunk[-1].position, rows=counts.total())
    return counts


def _write_refused(
    target: Path, answers: list[Answer], model: type[SkuEntry | PlaceEntry | AdjustmentEntry]
) -> None:
    if not answers:
        return
    with target.open("a", encoding="utf-8") as file:
        for answer in answers:
            line = {
                "row": answer.row.number,
                "key": name_of(model, answer.row),
                "errors": list(answer.errors),
                "data": answer.row.data,
            }
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _with_service(build: Build, work: Callable[[Service[Store, Settings]], Awaitable[T]]) -> T:
    settings = load_settings(Settings)
    logging.configure("inventory", "warning")

    async def body() -> T:
        service = build(settings)
        try:
            return await work(service)
        finally:
            await service.commands.close()
            await service.engine.dispose()

    return asyncio.run(body())
