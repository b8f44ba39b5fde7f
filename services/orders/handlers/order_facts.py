"""What the other services and the payment service say of an order: facts, in whatever order they come."""

from collections.abc import Sequence

from services.orders.handlers.reading import learnt
from services.orders.handlers.settling import settle, speak
from services.orders.store import Tx
from shared.contracts.envelope import OrderEvent
from shared.messaging.message import Message, Unhandleable

# In the timeline these would repeat what the order itself tells, or be long.
_LEFT_OUT = {"order_id", "lines", "units", "places", "allocations", "shortages"}


class UnknownOrder(Unhandleable):
    """Something was said of an order that is not here. Parked: money or goods may hang on it."""

    reason = "unknown_order"


async def order_facts(messages: Sequence[Message[OrderEvent]], tx: Tx) -> None:
    """Joins the facts of each message to its order, then looks at the rules once per order."""
    orders = await tx.store.orders.hold({message.event.order_id for message in messages})
    here = {order_id for order_id, held in orders.items() if not held.expected}
    unknown = {
        message.id: _unknown(message.event) for message in messages if message.event.order_id not in here
    }
    if unknown:
        raise UnknownOrder(unknown)
    last: dict[str, Message[OrderEvent]] = {}
    for message in messages:
        event = message.event
        held = orders[event.order_id]
        facts = learnt(event, held, tx.now)
        detail = event.model_dump(mode="json", exclude_none=True, exclude=_LEFT_OUT)
        held.learn(facts, event.topic, "", detail, message.id)
        last[event.order_id] = message
    for order_id, message in last.items():
        settle(orders[order_id], tx, message)
    await tx.store.orders.save(orders.values(), tx.settings.windows)
    for held in orders.values():
        speak(held, tx)


def _unknown(event: OrderEvent) -> str:
    return (
        f"{event.topic} names order {event.order_id}, which is not here: check the id with its sender, then replay or"
        " discard this message"
    )
