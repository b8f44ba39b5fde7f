"""refund.issued: the customer learns how much money went back."""

from collections.abc import Sequence

from services.notifications.domain.delivery import Notice
from services.notifications.handlers.announce import announce
from services.notifications.store import Tx
from shared.contracts.orders import RefundIssued
from shared.messaging.message import Message


async def refund_issued(messages: Sequence[Message[RefundIssued]], tx: Tx) -> None:
    """One mail per refund; none for what only says that nothing more goes back."""
    await announce([message for message in messages if message.event.amount], tx, _notice)


def _notice(refund: RefundIssued) -> Notice:
    data = {"amount": refund.amount, "currency": refund.currency}
    return Notice(refund.order_id, "refund_issued", cause=refund.request_id, data=data)
