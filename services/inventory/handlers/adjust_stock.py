"""People and other systems change quantities over HTTP, one or many at a time."""

from collections.abc import Sequence
from typing import Any

from services.inventory.domain.adjustment import Adjustment, Refusal
from services.inventory.handlers.adjusting import Result, apply_adjustments
from services.inventory.store import Tx
from shared.contracts.envelope import FieldError
from shared.messaging.message import Command, Done, Outcome, Refused

_STATUS = {"unknown_sku": 404, "unknown_place": 404, "too_many": 422}


async def adjust_stock(commands: Sequence[Command[Adjustment]], tx: Tx) -> Sequence[Outcome]:
    """Apply each adjustment or refuse it with a reason."""
    asked = [(command.value, command.actor) for command in commands]
    causes = {command.value.adjustment_id: command for command in commands}
    results = await apply_adjustments(asked, causes, tx)
    return [_outcome(command.value, result) for command, result in zip(commands, results, strict=True)]


async def adjust_stock_in_bulk(
    commands: Sequence[Command[Sequence[Adjustment]]], tx: Tx
) -> Sequence[Outcome]:
    """Apply many adjustments in order; each is taken or refused by itself."""
    asked = [(one, command.actor) for command in commands for one in command.value]
    causes = {one.adjustment_id: command for command in commands for one in command.value}
    results = iter(await apply_adjustments(asked, causes, tx))
    return [Done({"results": [_entry(one, next(results)) for one in command.value]}) for command in commands]


def _outcome(one: Adjustment, result: Result) -> Outcome:
    if isinstance(result, Refusal):
        status = _STATUS.get(result.code, 409)
        return Refused(status, result.code, f"{result.problem}; {result.remedy}", (_error(result),))
    return Done(_entry(one, result), status=200 if result is None else 201)


def _entry(one: Adjustment, result: Result) -> dict[str, Any]:
    entry: dict[str, Any] = {"key": one.adjustment_id}
    if result is None:
        return entry | {"status": "known"}
    if isinstance(result, Refusal):
        return entry | {"status": "refused", "errors": [_error(result).model_dump()]}
    level = {
        "on_hand": result.on_hand,
        "reserved": result.reserved,
        "unavailable": result.unavailable,
        "available": result.available,
    }
    return entry | {"status": "applied", "level": level}


def _error(refusal: Refusal) -> FieldError:
    return FieldError(field=refusal.field, problem=refusal.problem[:400], remedy=refusal.remedy[:400])
