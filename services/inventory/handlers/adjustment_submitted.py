"""A warehouse system changes a quantity; what cannot be taken is answered by stock.adjustment_refused."""

from collections.abc import Sequence

from services.inventory.domain.adjustment import Adjustment, Refusal
from services.inventory.handlers.adjusting import apply_adjustments
from services.inventory.store import Tx
from shared.contracts.envelope import FieldError, as_text
from shared.contracts.inventory import StockAdjustmentRefused
from shared.contracts.warehouses import StockAdjustmentSubmitted
from shared.messaging.message import Invalid, Message

_MOST_ERRORS = 100


async def adjustment_submitted(
    messages: Sequence[Message[StockAdjustmentSubmitted | Invalid]], tx: Tx
) -> None:
    """Apply in order. Refusals name the adjustment and every faulty field."""
    asked: list[tuple[Adjustment, str]] = []
    causes: dict[str, Message[StockAdjustmentSubmitted | Invalid]] = {}
    for message in messages:
        event = message.event
        if isinstance(event, Invalid):
            _refuse(message, event.body.get("adjustment_id"), event.body.get("sku"), event.errors, tx)
            continue
        asked.append((_adjustment(event), "stock.adjustment_submitted"))
        causes[event.adjustment_id] = message
    results = await apply_adjustments(asked, causes, tx)
    for (one, _), result in zip(asked, results, strict=True):
        if isinstance(result, Refusal):
            error = FieldError(field=result.field, problem=result.problem[:400], remedy=result.remedy[:400])
            _refuse(causes[one.adjustment_id], one.adjustment_id, one.sku, (error,), tx)


def _adjustment(event: StockAdjustmentSubmitted) -> Adjustment:
    return Adjustment(
        adjustment_id=event.adjustment_id,
        sku=event.sku,
        place_id=event.place_id,
        counter=event.counter,
        delta=event.delta,
        reason=event.reason,
        note=event.note,
    )


def _refuse(
    message: Message[StockAdjustmentSubmitted | Invalid],
    adjustment_id: object,
    sku: object,
    errors: Sequence[FieldError],
    tx: Tx,
) -> None:
    refused = StockAdjustmentRefused(
        adjustment_id=as_text(adjustment_id), sku=as_text(sku), errors=tuple(errors[:_MOST_ERRORS])
    )
    tx.emit(refused, trace=message.trace, cause=message)
