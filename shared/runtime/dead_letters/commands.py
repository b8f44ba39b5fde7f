"""The commands as people type them."""

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from shared.db.bulk import Row
from shared.messaging import dead_letters
from shared.messaging.dead_letters import Letter, NotParked, Selection
from shared.messaging.decode import Unreadable
from shared.runtime.console import AtHand, Problem, echo_json, printable
from shared.runtime.dead_letters.actions import chosen_ids, discard_one, find, look, replay_one
from shared.runtime.dead_letters.display import document_of, print_letter, print_list, print_outcome
from shared.runtime.dead_letters.editing import edited, refuse_other_identity, text_of
from shared.runtime.service import Service

Reason = Annotated[str | None, typer.Option(help="only this reason, e.g. handler_error or invalid_event")]
Handler = Annotated[str | None, typer.Option(help="only what this handler refused")]
Topic = Annotated[str | None, typer.Option(help="only this topic")]
Key = Annotated[str | None, typer.Option(help="only this message key, e.g. an order id")]
By = Annotated[str, typer.Option(help="who decides this; kept for good")]
Why = Annotated[str, typer.Option(help="the reason for it; kept for good")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON document, for scripts")]


def create_commands(at_hand: AtHand) -> typer.Typer:
    """The commands, for a service's command line."""
    app = typer.Typer(
        help="Messages that could not be handled. A message is never put on its topic again: a replay handles it here,"
        " once, through the inbox. Exit code 1 when something was not done.",
        no_args_is_help=True,
    )

    @app.command("list")
    def list_(
        reason: Reason = None,
        handler: Handler = None,
        topic: Topic = None,
        key: Key = None,
        state: Annotated[str, typer.Option(help="parked, replayed, discarded or all")] = "parked",
        after: Annotated[int, typer.Option(min=0, help="go on after this id")] = 0,
        limit: Annotated[int, typer.Option(min=1, max=10_000, help="most lines of one page")] = 100,
        as_json: AsJson = False,
    ) -> None:
        """Counts by reason and handler, then the messages themselves, oldest first, a page at a time."""
        selection = Selection(_state(state), reason, topic, handler, key)

        async def work(service: Service[Any, Any]) -> tuple[list[Row], list[Row]]:
            async with service.unit.begin() as (session, _):
                found = await dead_letters.parked(session, selection, after=after, limit=limit + 1)
                return await dead_letters.summary(session, selection), found

        summary, rows = at_hand(work)
        page = rows[:limit]
        go_on = page[-1]["id"] if len(rows) > limit else None
        if as_json:
            letters = [row | {"key": text_of(row["key"])} for row in page]
            echo_json({"counts": summary, "letters": letters, "next_after": go_on})
            return
        print_list(summary, page, go_on)

    @app.command()
    def show(dead_letter_id: Annotated[int, typer.Argument(metavar="ID")], as_json: AsJson = False) -> None:
        """One message whole: position, trace, headers, body, error, edited copy, and what was done with it by whom."""

        async def work(service: Service[Any, Any]) -> Letter:
            return await look(service, dead_letter_id)

        letter = at_hand(work)
        if as_json:
            echo_json(document_of(letter))
        else:
            print_letter(letter)

    @app.command()
    def edit(
        dead_letter_id: Annotated[int, typer.Argument(metavar="ID")],
        by: By,
        why: Why,
        body: Annotated[
            str | None, typer.Option(metavar="FILE", help="the whole new body; - reads standard input")
        ] = None,
        set_: Annotated[
            list[str] | None,
            typer.Option("--set", metavar="FIELD=VALUE", help="one field of a JSON body: lines.0.quantity=2"),
        ] = None,
        header: Annotated[
            list[str] | None, typer.Option(metavar="NAME=VALUE", help="set a header; NAME= alone removes it")
        ] = None,
        as_json: AsJson = False,
    ) -> None:
        """Make a mended copy, which later replays handle. The original is kept; a copy nobody could read is refused."""
        by, why = _words(by, why)
        if body is None and not set_ and not header:
            raise typer.BadParameter("say what to change: --body, --set or --header")
        new_body = None if body is None else _read(body)

        async def work(service: Service[Any, Any]) -> Letter:
            async with service.unit.begin() as (session, _):
                letter = await find(session, dead_letter_id)
                try:
                    await dead_letters.claim(session, letter)
                except NotParked as error:
                    raise _not_parked(dead_letter_id, error) from None
                copy = edited(letter.record, new_body, set_ or (), header or ())
                refuse_other_identity(letter.original, copy)
                decoded = service.decoder.decode(copy)
                if isinstance(decoded, Unreadable):
                    raise Problem(
                        f"the copy still could not be read ({decoded.reason}: {decoded.error}); nothing was kept",
                        "change that as well: --set, --header and --body may be given together",
                    )
                await dead_letters.keep_edit(session, letter, copy, by=by, why=why)
            return await look(service, dead_letter_id)

        letter = at_hand(work)
        if as_json:
            echo_json(document_of(letter))
        else:
            typer.echo(f"{dead_letter_id}: edited; `dead-letters replay {dead_letter_id}` handles this copy")

    @app.command()
    def replay(
        by: By,
        why: Why,
        dead_letter_ids: Annotated[list[int] | None, typer.Argument(metavar="[ID]...")] = None,
        reason: Reason = None,
        handler: Handler = None,
        topic: Topic = None,
        key: Key = None,
        rate: Annotated[float, typer.Option(min=0.01, max=1000, help="most messages a second")] = 10.0,
        limit: Annotated[int | None, typer.Option(min=1, help="most messages of this run")] = None,
        give_up: Annotated[
            int, typer.Option(min=1, help="stop after so many failures in a row: the cause is not mended")
        ] = 10,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="only say which")] = False,
        as_json: AsJson = False,
    ) -> None:
        """Handle messages again, here, once each, in the order in which they were parked: by id or by what they share.

        The newest edited copy counts. What fails again stays parked and says why.
        """
        by, why = _words(by, why)
        chosen = _choice(dead_letter_ids, reason, topic, handler, key)

        async def work(service: Service[Any, Any]) -> list[dict[str, Any]]:
            outcomes: list[dict[str, Any]] = []
            failures, started = 0, time.monotonic()
            async for number in chosen_ids(service, chosen, limit):
                if dry_run:
                    outcomes.append({"id": number, "outcome": "would be replayed", "error": None})
                    continue
                await _until(started + len(outcomes) / rate)
                outcome = await replay_one(service, number, by=by, why=why)
                outcomes.append(outcome)
                if not as_json:
                    print_outcome(outcome)
                failures = failures + 1 if outcome["outcome"] == "failed" else 0
                if failures >= give_up:
                    raise _GivenUp(outcomes)
            return outcomes

        _report(at_hand, work, as_json=as_json, quiet=not dry_run)

    @app.command()
    def discard(
        by: By,
        why: Why,
        dead_letter_ids: Annotated[list[int] | None, typer.Argument(metavar="[ID]...")] = None,
        reason: Reason = None,
        handler: Handler = None,
        topic: Topic = None,
        key: Key = None,
        limit: Annotated[int | None, typer.Option(min=1, help="most messages of this run")] = None,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="only say which")] = False,
        as_json: AsJson = False,
    ) -> None:
        """Close messages without handling them, for good; they stay readable."""
        by, why = _words(by, why)
        chosen = _choice(dead_letter_ids, reason, topic, handler, key)

        async def work(service: Service[Any, Any]) -> list[dict[str, Any]]:
            outcomes = []
            async for number in chosen_ids(service, chosen, limit):
                if dry_run:
                    outcomes.append({"id": number, "outcome": "would be discarded", "error": None})
                else:
                    outcomes.append(await discard_one(service, number, by=by, why=why))
            return outcomes

        _report(at_hand, work, as_json=as_json, quiet=False)

    return app


class _GivenUp(Exception):
    def __init__(self, outcomes: list[dict[str, Any]]) -> None:
        super().__init__()
        self.outcomes = outcomes


def _report(at_hand: AtHand, work: Any, *, as_json: bool, quiet: bool) -> None:
    given_up = False
    try:
        outcomes = at_hand(work)
    except _GivenUp as stop:
        outcomes, given_up = stop.outcomes, True
    if as_json:
        echo_json(outcomes)
    else:
        for outcome in () if quiet else outcomes:
            print_outcome(outcome)
        if not outcomes:
            typer.echo("no dead letters")
    if given_up:
        typer.echo("stopped: nothing but failures; mend the handler or the messages first", err=True)
    if any(outcome["outcome"] in ("failed", "not parked") for outcome in outcomes):
        raise typer.Exit(1)


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))


def _state(name: str) -> str | None:
    if name not in ("parked", "replayed", "discarded", "all"):
        raise typer.BadParameter(f"--state {name}: choose parked, replayed, discarded or all")
    return None if name == "all" else name


def _words(by: str, why: str) -> tuple[str, str]:
    if not by.strip() or not why.strip():
        raise typer.BadParameter(
            "--by and --why must not be empty: they are the only record of this decision"
        )
    return printable(by.strip()), printable(why.strip())


def _choice(
    ids: list[int] | None, reason: str | None, topic: str | None, handler: str | None, key: str | None
) -> Selection | Sequence[int]:
    filtered = any(value is not None for value in (reason, topic, handler, key))
    if bool(ids) == filtered:
        raise typer.BadParameter(
            "say which: either ids, or --reason, --handler, --topic or --key"
            + (" (not both)" if filtered else "")
        )
    return ids if ids else Selection("parked", reason, topic, handler, key)


def _not_parked(number: int, error: NotParked) -> Problem:
    return Problem(
        f"dead letter {number} is not parked: {error}", f"`dead-letters show {number}` tells what was done"
    )


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"--body {file}: {error.strerror}") from None
