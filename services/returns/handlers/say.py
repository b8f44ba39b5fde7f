"""From a decision to what is kept and what the world hears."""

from collections.abc import Sequence
from typing import Any

from services.returns.domain.change import Change, Said
from services.returns.domain.returns import Return
from services.returns.store import Held, Tx
from shared.contracts.envelope import OrderEvent
from shared.contracts.returns import (
    ReceivedUnits,
    ReturnAuthorized,
    ReturnReceived,
    ReturnRejected,
    ReturnUnits,
)
from shared.messaging.message import Command, Message


def traces(messages: Sequence[Message[OrderEvent]]) -> dict[str, str]:
    """Order id -> the trace of the first of these messages about it."""
    return {message.event.order_id: message.trace for message in reversed(messages)}


def carry_out(change: Change, held: Held, tx: Tx, *, cause: Message[Any] | Command[Any] | None) -> Return:
    """Keeps a decision and says what it says, under the order's trace and its new version."""
    order = change.order
    held.keep(order)
    decided = order.returns[change.return_id]
    if change.says is not None:
        tx.emit(_event(change.says, decided), trace=order.trace, cause=cause, sequence=order.version)
    return decided


def _event(says: Said, decided: Return) -> OrderEvent:
    if says is Said.AUTHORIZED:
        return _authorized(decided)
    if says is Said.RECEIVED:
        return _received(decided)
    reason = decided.rejection.reason if decided.rejection else ""
    return ReturnRejected(order_id=decided.order_id, return_id=decided.return_id, reason=reason)


def _authorized(decided: Return) -> ReturnAuthorized:
    return ReturnAuthorized(
        order_id=decided.order_id,
        return_id=decided.return_id,
        origin=decided.origin.value,
        units=tuple(
            ReturnUnits(
                shipment_id=units.shipment_id,
                line_id=units.line_id,
                sku=units.sku,
                quantity=units.quantity,
                reason=units.reason,
            )
            for units in decided.units
        ),
    )


def _received(decided: Return) -> ReturnReceived:
    receipt = decided.receipt
    if receipt is None:
        raise ValueError(f"return {decided.return_id} was not received")
    return ReturnReceived(
        order_id=decided.order_id,
        return_id=decided.return_id,
        place_id=receipt.place_id,
        units=tuple(
            ReceivedUnits.model_validate(
                {
                    "shipment_id": units.shipment_id,
                    "line_id": units.line_id,
                    "sku": units.sku,
                    "quantity": units.quantity,
                    "condition": units.condition,
                    "disposition": units.disposition,
                }
            )
            for units in receipt.units
        ),
        value=receipt.value,
        currency=receipt.currency,
    )
