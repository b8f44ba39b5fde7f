"""Many entries at once: each is taken or refused by itself, and answered in its place."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.responses import Response
from pydantic import ValidationError

from services.inventory.api.documents import AdjustmentEntry, PlaceEntry, SkuEntry
from shared.contracts.envelope import FieldError, as_text
from shared.contracts.field_errors import field_errors
from shared.messaging.message import CommandHandler, Done
from shared.runtime.http import RequestContext, respond
from shared.runtime.service import Service

Entry = SkuEntry | PlaceEntry | AdjustmentEntry


def read(model: type[Entry], row: Entry | Mapping[str, Any]) -> Entry | tuple[FieldError, ...]:
    """The entry in a row, or everything that is wrong with it."""
    if isinstance(row, Entry):
        return row
    try:
        return model.model_validate(row)
    except ValidationError as error:
        return field_errors(error)


async def carry_out(
    service: Service[Any, Any],
    handler: CommandHandler,
    model: type[Entry],
    rows: Sequence[Entry | Mapping[str, Any]],
    context: RequestContext,
) -> Response:
    """Give the sound rows to the handler in one transaction, and answer for all rows in their order."""
    entries = [read(model, row) for row in rows]
    values = tuple(entry.to_domain() for entry in entries if isinstance(entry, Entry))
    outcome = await service.command(handler, values, request=context)
    if not isinstance(outcome, Done):
        return respond(outcome)
    answers = iter(outcome.body["results"])
    results = [
        next(answers) if isinstance(entry, Entry) else refusal(model, row, entry)
        for row, entry in zip(rows, entries, strict=True)
    ]
    refused = sum(result["status"] == "refused" for result in results)
    body = {"taken": len(results) - refused, "refused": refused, "results": results}
    return respond(Done(body, headers=outcome.headers))


def refusal(
    model: type[Entry], row: Entry | Mapping[str, Any], errors: Sequence[FieldError]
) -> dict[str, Any]:
    """The result of a row that could not be read."""
    key = row.get(KEYS[model]) if isinstance(row, Mapping) else None
    return {
        "key": as_text(key),
        "status": "refused",
        "errors": [error.model_dump() for error in errors],
    }


KEYS: Mapping[type[Entry], str] = {SkuEntry: "sku", PlaceEntry: "place_id", AdjustmentEntry: "adjustment_id"}
"""The field that names an entry."""
