"""The command line every service has: run, migrate, dead-letters, offsets, openapi."""

import gc
import json
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

from shared.db.migrate import head
from shared.db.migrate import migrate as migrate_database
from shared.runtime import dead_letters, offsets
from shared.runtime.console import AtHand, explained, run_async
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
    create_app(name, settings, build, extra)()


def create_app(
    name: str,
    settings: type[C],
    build: Callable[[C], Service[Any, C]],
    extra: typer.Typer | None = None,
) -> typer.Typer:
    """The commands of service `name`."""
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
        raise typer.Exit(run_async(_serve(build, values, chosen)))

    @app.command()
    def migrate() -> None:
        """Bring the database to the schema of this release."""
        values = load(settings)
        service_metadata = _metadata(name)
        with explained(values):
            before, after = migrate_database(name, values.database_url, service_metadata)
        if before is not None and before == after and after != head(name):
            typer.echo(f"{name}: {after}, newer than this release ({head(name)}); left as it is")
        else:
            typer.echo(f"{name}: {before or 'empty'} -> {after}")

    @app.command()
    def openapi() -> None:
        """Print the OpenAPI document of the HTTP API."""

        async def document() -> dict[str, Any]:
            return build_app(build(load(settings, database_url=_NO_DATABASE))).openapi()

        typer.echo(json.dumps(run_async(document()), indent=2))

    at_hand = AtHand(name, settings, build, "dead-letters")
    app.add_typer(dead_letters.create_commands(at_hand), name="dead-letters")
    app.add_typer(offsets.create_commands(AtHand(name, settings, build, "offsets")), name="offsets")
    if extra is not None:
        app.registered_commands += extra.registered_commands
        app.registered_groups += extra.registered_groups
    return app


_NO_DATABASE = "postgresql+psycopg://nobody@127.0.0.1/none"


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
