"""The command line every service has: run, migrate, dead-letters, openapi."""

import asyncio
import gc
import json
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.db.migrate import migrate as migrate_database
from shared.messaging import dead_letters
from shared.runtime.server import build_app
from shared.runtime.service import ROLES, Service
from shared.runtime.settings import ServiceSettings, load
from shared.telemetry import logging

C = TypeVar("C", bound=ServiceSettings)


def main(
    name: str,
    settings: type[C],
    build: Callable[[C], Service[Any, C]],
    extra: typer.Typer | None = None,
) -> None:
    """Run the command line of service `name`; `extra` adds the service's own commands."""
    app = typer.Typer(help=f"The {name} service.", no_args_is_help=True, add_completion=False)

    @app.command()
    def run(
        roles: Annotated[str, typer.Option(help="comma-separated: " + ",".join(ROLES))] = ",".join(ROLES),
    ) -> None:
        """Run the service until SIGTERM; drains before it ends."""
        chosen = [role.strip() for role in roles.split(",") if role.strip()]
        unknown = sorted(set(chosen) - set(ROLES))
        if unknown or not chosen:
            raise typer.BadParameter(
                f"unknown role {', '.join(unknown) or '(none)'}; choose from {', '.join(ROLES)}"
            )
        values = load(settings)
        logging.configure(name, values.log_level)
        raise typer.Exit(_run_async(_serve(build, values, chosen)))

    @app.command()
    def migrate() -> None:
        """Bring the database to the schema of this release."""
        values = load(settings)
        service_metadata = _metadata(name)
        before, after = migrate_database(name, values.database_url, service_metadata)
        typer.echo(f"{name}: {before or 'empty'} -> {after}")

    @app.command()
    def openapi() -> None:
        """Print the OpenAPI document of the HTTP API."""

        async def document() -> dict[str, Any]:
            return build_app(build(load(settings, database_url=_NO_DATABASE))).openapi()

        typer.echo(json.dumps(_run_async(document()), indent=2))

    app.add_typer(_dead_letters(settings, build), name="dead-letters")
    if extra is not None:
        app.registered_commands += extra.registered_commands
        app.registered_groups += extra.registered_groups
    app()


_NO_DATABASE = "postgresql+psycopg://nobody@127.0.0.1/none"


def _run_async(work: Any) -> Any:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


async def _serve(build: Callable[[C], Service[Any, C]], values: C, roles: list[str]) -> int:
    service = build(values)
    # Modules and what was built from them live as long as the process. Left to the collector they are looked
    # through again and again while batches come and go: a quarter of all processor time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    return await service.run(roles)


def _metadata(name: str) -> Any:
    from importlib import import_module

    return import_module(f"services.{name}.store.tables").metadata


def _dead_letters(settings: type[C], build: Callable[[C], Service[Any, C]]) -> typer.Typer:
    app = typer.Typer(help="Messages that could not be handled.", no_args_is_help=True)
    console = Console()

    def with_service(work: Callable[[Service[Any, C]], Any]) -> Any:
        values = load(settings)
        logging.configure("dead-letters", "warning")

        async def body() -> Any:
            service = build(values)
            try:
                return await work(service)
            finally:
                await service.engine.dispose()

        return _run_async(body())

    @app.command("list")
    def list_(
        reason: Annotated[str | None, typer.Option(help="only this reason")] = None,
        topic: Annotated[str | None, typer.Option(help="only this topic")] = None,
        limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    ) -> None:
        """Show what waits for a person, oldest first."""

        async def work(service: Service[Any, C]) -> list[dict[str, Any]]:
            async with service.unit.begin() as (session, _):
                return await dead_letters.parked(session, reason=reason, topic=topic, limit=limit)

        rows = with_service(work)
        table = Table("id", "topic", "partition/offset", "reason", "error", "parked at")
        for row in rows:
            position = f"{row['partition']}/{row['message_offset']}"
            parked_at = f"{row['parked_at']:%Y-%m-%d %H:%M:%S}"
            table.add_row(
                str(row["id"]), row["topic"], position, row["reason"], escape(row["error"][:200]), parked_at
            )
        console.print(table if rows else "no dead letters")

    @app.command()
    def show(dead_letter_id: int) -> None:
        """Show one message whole: position, headers, body, error."""

        async def work(service: Service[Any, C]) -> Any:
            async with service.unit.begin() as (session, _):
                return await dead_letters.find(session, dead_letter_id)

        row = with_service(work)
        if row is None:
            raise typer.BadParameter(f"there is no dead letter {dead_letter_id}")
        body = row.pop("body")
        row["key"] = row["key"].decode(errors="replace") if row["key"] is not None else None
        console.print_json(json.dumps(row, default=str))
        console.print(body.decode(errors="replace") if body is not None else "(null body)", markup=False)

    @app.command()
    def replay(
        dead_letter_ids: list[int],
        by: Annotated[str, typer.Option(help="who decides this")],
        why: Annotated[str, typer.Option(help="why it will work now")],
    ) -> None:
        """Handle messages again, here, once each, through the inbox. They are not put on their topics again."""

        async def work(service: Service[Any, C]) -> int:
            return await _replay(service, dead_letter_ids, by, why)

        raise typer.Exit(with_service(work))

    @app.command()
    def discard(
        dead_letter_ids: list[int],
        by: Annotated[str, typer.Option(help="who decides this")],
        why: Annotated[str, typer.Option(help="why they need not be handled")],
    ) -> None:
        """Close messages without handling them; they stay readable."""

        async def work(service: Service[Any, C]) -> None:
            async with service.unit.begin() as (session, _):
                await dead_letters.resolve(session, dead_letter_ids, state="discarded", by=by, why=why)

        with_service(work)
        console.print(f"discarded {len(dead_letter_ids)}")

    return app


async def _replay(service: Service[Any, Any], dead_letter_ids: list[int], by: str, why: str) -> int:
    """Exit code 0 when all were handled; what fails again stays parked and is said."""
    failed = 0
    for dead_letter_id in dead_letter_ids:
        async with service.unit.begin() as (session, _):
            row = await dead_letters.find(session, dead_letter_id)
        if row is None or row["state"] != "parked":
            typer.echo(f"{dead_letter_id}: not parked", err=True)
            failed += 1
            continue
        try:
            unreadable = await service.consumer.replay(dead_letters.to_record(row))
        except Exception as error:
            unreadable = None
            typer.echo(f"{dead_letter_id}: failed again: {type(error).__name__}: {error}", err=True)
            failed += 1
            continue
        if unreadable is not None:
            typer.echo(f"{dead_letter_id}: still {unreadable.reason}: {unreadable.error}", err=True)
            failed += 1
            continue
        async with service.unit.begin() as (session, _):
            await dead_letters.resolve(session, [dead_letter_id], state="replayed", by=by, why=why)
        typer.echo(f"{dead_letter_id}: handled")
    return 1 if failed else 0
