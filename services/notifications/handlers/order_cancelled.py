"""order.cancelled: the customer learns that nothing will come, and why in words for customers."""

from collections.abc import Sequence

from services.notifications.domain.delivery import Notice
from services.notifications.handlers.announce import announce
from services.notifications.store import Tx
from shared.contracts.orders import OrderCancelled
from shared.messaging.message import Message

_GROUNDS = {
    "cancel_requested": "asked",
    "out_of_stock": "stock",
    "units_not_found": "stock",
    "payment_failed": "payment",
    "payment_deadline": "payment",
}
"""The reason that orders gives -> the words that customers get; none for any other."""


async def order_cancelled(messages: Sequence[Message[OrderCancelled]], tx: Tx) -> None:
    """One mail per order."""
    await announce(messages, tx, _notice)


def _notice(order: OrderCancelled) -> Notice:
    # `detail` was written for the order desk, not for the customer.
    data = {"ground": _GROUNDS.get(order.reason, "")}
    return Notice(order.order_id, "order_cancelled", cause=order.order_id, data=data)
