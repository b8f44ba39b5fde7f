"""Orders asks to give up an order as a whole; it gets one answer, once."""

from collections.abc import Sequence

from services.fulfillment.domain.order import Answer, CancelAnswer, FulfilmentOrder, answer_cancel
from services.fulfillment.handlers.events import cancelled_parcels
from services.fulfillment.handlers.say import carry_out
from services.fulfillment.store import Tx
from shared.contracts.envelope import OrderEvent
from shared.contracts.fulfillment import ShipmentCancelled, ShipmentCancelRefused
from shared.contracts.orders import OrderCancelRequested
from shared.messaging.message import Message


async def order_cancel_requested(messages: Sequence[Message[OrderCancelRequested]], tx: Tx) -> None:
    """Answers cancelled or refused, all or nothing; an order not seen yet is cancelled and stays so."""
    blank = {key: FulfilmentOrder(key, message.trace) for key, message in _by_order(messages).items()}
    known = await tx.store.orders.claim(list(blank.values()), {})
    held = await tx.store.hold_parcels_of(blank | known)
    for message in messages:
        order = held.orders[message.event.order_id]
        parcels = held.of_order(order.order_id)
        answer = answer_cancel(order, parcels, message.event.reason, tx.now)
        if answer is None:
            continue
        held.orders[order.order_id] = answer.order
        for change in answer.changes:
            carry_out(change, held, tx, cause=message, actor=message.event.requested_by)
        told = held.next_version(order.order_id)
        tx.emit(_event(answer), trace=told.trace, cause=message, sequence=told.version)
    await tx.store.save(held)


def _by_order(
    messages: Sequence[Message[OrderCancelRequested]],
) -> dict[str, Message[OrderCancelRequested]]:
    return {message.event.order_id: message for message in reversed(messages)}


def _event(answer: CancelAnswer) -> OrderEvent:
    order_id = answer.order.order_id
    if answer.answer is Answer.REFUSED:
        return ShipmentCancelRefused(order_id=order_id, reason=answer.reason)
    parcels = cancelled_parcels(answer.parcels)
    return ShipmentCancelled(order_id=order_id, parcels=parcels, requested=True, reason=answer.reason)
