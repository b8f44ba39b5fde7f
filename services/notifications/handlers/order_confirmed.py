"""order.confirmed: the customer learns what was ordered, what it costs and where it goes."""

from collections.abc import Sequence

from services.notifications.domain.delivery import Notice
from services.notifications.handlers.announce import SHOWN_LINES, announce, shown_lines
from services.notifications.store import Tx
from shared.contracts.orders import OrderConfirmed
from shared.messaging.message import Message


async def order_confirmed(messages: Sequence[Message[OrderConfirmed]], tx: Tx) -> None:
    """One mail per order."""
    await announce(messages, tx, _notice)


def _notice(order: OrderConfirmed) -> Notice:
    content = shown_lines(order.lines)
    for shown, line in zip(content["lines"], order.lines[:SHOWN_LINES], strict=True):
        shown["total"] = line.total
    data = {
        **content,
        "shipping": order.shipping,
        "total": order.total,
        "currency": order.currency,
        "address": order.address.model_dump(mode="json", exclude_none=True),
        "ordered_at": order.ordered_at.isoformat() if order.ordered_at else None,
    }
    return Notice(order.order_id, "order_confirmed", cause=order.order_id, data=data)
