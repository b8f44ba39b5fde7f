"""What all the events that people are told about have in common."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from services.notifications.domain.delivery import Notice, open_delivery
from services.notifications.store import Tx
from shared.contracts.envelope import OrderEvent
from shared.db.ids import new_id
from shared.messaging.message import Message

E = TypeVar("E", bound=OrderEvent)

SHOWN_LINES = 50
"""Lines that a mail lists, and that are kept for it; mail programs cut long mails off (Gmail at 102 KB)."""


async def announce(messages: Sequence[Message[E]], tx: Tx, notice_of: Callable[[E], Notice]) -> None:
    """Open one delivery for each message: due at once if its contact is known, else waiting for it."""
    traces = {message.event.order_id: message.trace for message in reversed(messages)}
    contacts = await tx.store.contacts.hold(traces)
    deliveries = []
    for message in messages:
        notice = notice_of(message.event)
        deliveries.append(open_delivery(new_id(), notice, contacts[notice.order_id], tx.now))
    await tx.store.contacts.save(contacts)
    await tx.store.deliveries.add(deliveries)


class Line(Protocol):
    """Units of an order line, in whichever event."""

    @property
    def line_id(self) -> str: ...
    @property
    def sku(self) -> str: ...
    @property
    def quantity(self) -> int: ...


def shown_lines(lines: Sequence[Line]) -> dict[str, Any]:
    """The lines that a mail lists (id, SKU, quantity), and how many more there are."""
    return {
        "lines": [
            {"line_id": line.line_id, "sku": line.sku, "quantity": line.quantity}
            for line in lines[:SHOWN_LINES]
        ],
        "more_lines": max(0, len(lines) - SHOWN_LINES),
    }
