"""Giving rows to the same handlers that the HTTP API uses, some hundred at a time."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeAlias

from services.inventory.api.bulk import KEYS, Entry, read
from services.inventory.importing.files import Row
from services.inventory.settings import Settings
from services.inventory.store import Store
from shared.contracts.envelope import FieldError, as_text
from shared.db.ids import new_id
from shared.messaging.message import Command, CommandHandler, Done, Outcome
from shared.runtime.service import Service
from shared.value_object import value_object

_AT_ONCE = 500
_ACTOR = "import"


@value_object
class Answer:
    """What became of a row; `errors` are empty unless it was refused."""

    row: Row
    status: str
    errors: Sequence[dict[str, Any]] = ()


Chunk: TypeAlias = list[Row]


async def load(
    service: Service[Store, Settings],
    handler: CommandHandler,
    model: type[Entry],
    chunk: Sequence[Row],
    *,
    dry_run: bool,
) -> list[Answer]:
    """Take or refuse the rows of a chunk, in one transaction; a dry run decides the same and undoes it."""
    entries = [_entry(model, row) for row in chunk]
    values = tuple(entry.to_domain() for entry in entries if isinstance(entry, Entry))
    outcome = await (
        _rehearse(service, handler, values) if dry_run else service.command(handler, values, actor=_ACTOR)
    )
    if not isinstance(outcome, Done):
        raise RuntimeError(f"a bulk command was refused as a whole: {outcome}")
    results = iter(outcome.body["results"])
    answers = []
    for row, entry in zip(chunk, entries, strict=True):
        if isinstance(entry, Entry):
            result = next(results)
            answers.append(Answer(row, result["status"], result.get("errors", ())))
        else:
            answers.append(Answer(row, "refused", [error.model_dump() for error in entry]))
    return answers


def chunks(rows: Iterable[Row]) -> Iterator[Chunk]:
    """The rows, some hundred at a time."""
    rest = iter(rows)
    while chunk := list(islice(rest, _AT_ONCE)):
        yield chunk


def name_of(model: type[Entry], row: Row) -> str:
    """What the row is about, as far as it says so."""
    return as_text((row.data or {}).get(KEYS[model]))


class _Rehearsed(Exception):
    """Carries the outcome out of a transaction that is to be undone."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


async def _rehearse(
    service: Service[Store, Settings], handler: CommandHandler, values: tuple[Any, ...]
) -> Outcome:
    try:
        async with service.transaction() as tx:
            command = Command(new_id(), values, _ACTOR, service.tracing.new_trace())
            (outcome,) = await handler([command], tx)
            raise _Rehearsed(outcome)
    except _Rehearsed as rehearsed:
        return rehearsed.outcome


def _entry(model: type[Entry], row: Row) -> Entry | tuple[FieldError, ...]:
    if row.data is None:
        return (FieldError(field="(row)", problem=row.problem[:400], remedy="mend this row"),)
    return read(model, row.data)
