"""Money went back: the returns it names are closed."""

from collections.abc import Sequence

from services.returns.domain.order import refund
from services.returns.handlers.say import traces
from services.returns.store import Tx
from shared.contracts.orders import RefundIssued
from shared.messaging.message import Message


async def refund_issued(messages: Sequence[Message[RefundIssued]], tx: Tx) -> None:
    """Remembers for which returns money went back; refunds of other things are none of our business."""
    ours = [message for message in messages if message.event.return_ids]
    held = await tx.store.hold_heard(traces(ours))
    for message in ours:
        held.keep(refund(held[message.event.order_id], message.event.return_ids))
    await tx.store.save(held)
