"""`offsets`: where the service reads on, and how a person sets it back after its database was restored."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from shared.messaging import upkeep
from shared.messaging.kafka import KafkaError
from shared.messaging.offsets import Group, GroupInUse, Move, Place
from shared.runtime.console import AtHand, Problem, create_console, echo_json
from shared.runtime.service import Service

_DATABASE = "database"


def create_commands(at_hand: AtHand) -> typer.Typer:
    """The commands, for a service's command line."""
    app = typer.Typer(help="Where the service reads on in its topics.", no_args_is_help=True)

    @app.callback()
    def group() -> None:
        """A callback makes typer keep the name of a single command."""

    @app.command()
    def reset(
        to: Annotated[
            str,
            typer.Option(
                metavar="database|TIME",
                help="database: where this database says it was, for one that was restored;"
                " or a moment with its offset from UTC, e.g. 2026-01-31T12:00:00Z",
            ),
        ],
        topic: Annotated[list[str] | None, typer.Option(help="only this topic; may be given again")] = None,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be read again")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="one JSON document, for scripts")] = False,
    ) -> None:
        """Read again what the database does not know. Only backwards; the service must be stopped.

        What it does know is dropped by the inbox and by business keys. Exit code 1 when retention has already removed
        messages that should be read again.
        """
        moment = None if to == _DATABASE else _moment(to)

        async def work(service: Service[Any, Any]) -> list[Move]:
            known = service.decoder.topics
            unknown = sorted(set(topic or ()) - set(known))
            if unknown:
                raise Problem(
                    f"{service.name} does not hear {', '.join(unknown)}", f"choose of {', '.join(known)}"
                )
            settings = service.settings
            readers = Group(
                settings.kafka, settings.topic_prefix + service.name, settings.topic_prefix, topic or known
            )
            try:
                moves = await readers.plan(await _positions(service) if moment is None else moment)
                if not dry_run:
                    await readers.commit(moves)
            except GroupInUse as error:
                raise Problem(
                    str(error), f"stop all processes of {service.name} with the role consumer"
                ) from None
            except KafkaError as error:
                raise Problem(
                    f"Kafka does not answer at {settings.kafka} ({type(error).__name__})",
                    "check that it runs and that OMS_KAFKA is right, then run the same command again",
                ) from None
            return moves

        moves = at_hand(work)
        if as_json:
            echo_json([asdict(move) | {"again": move.again, "removed": move.removed} for move in moves])
        else:
            _print(moves, dry_run=dry_run)
        if any(move.removed for move in moves):
            raise typer.Exit(1)

    return app


async def _positions(service: Service[Any, Any]) -> Mapping[Place, int]:
    async with service.unit.begin() as (session, _):
        return await upkeep.stored_offsets(session)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise typer.BadParameter(
            f"--to {text}: write database, or a moment with its offset from UTC, e.g. 2026-01-31T12:00:00Z"
        )
    return moment.astimezone(UTC)


def _print(moves: list[Move], *, dry_run: bool) -> None:
    table = Table("topic", "partition", "committed", "goes on at", "read again", "removed by retention")
    for move in moves:
        if move.target != move.committed or move.removed:
            committed = "-" if move.committed is None else str(move.committed)
            numbers = (max(move.target, move.first), move.again, move.removed)
            table.add_row(
                move.topic, str(move.partition), committed, *(str(number or 0) for number in numbers)
            )
    console = create_console()
    if table.rows:
        console.print(table)
    again = sum(move.again for move in moves)
    console.print(f"{again} messages {'would be' if dry_run else 'will be'} read")
    if removed := sum(move.removed for move in moves):
        console.print(
            f"{removed} messages are gone: restore what they said from their producers or a newer backup"
        )
