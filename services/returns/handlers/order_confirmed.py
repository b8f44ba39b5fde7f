"""An order was confirmed: what ships in which parcel, and what it is worth."""

from collections.abc import Sequence

from services.returns.domain.order import Allocation, Confirmation, confirm
from services.returns.handlers.say import traces
from services.returns.store import Tx
from shared.contracts.orders import OrderConfirmed
from shared.messaging.message import Message


async def order_confirmed(messages: Sequence[Message[OrderConfirmed]], tx: Tx) -> None:
    """Remembers what may come back one day. Nothing of the customer is kept."""
    held = await tx.store.hold_heard(traces(messages))
    for message in messages:
        held.keep(confirm(held[message.event.order_id], _confirmation(message.event)))
    await tx.store.save(held)


def _confirmation(event: OrderConfirmed) -> Confirmation:
    parcels = {place.place_id: place.shipment_id for place in event.places}
    allocations = tuple(
        Allocation(parcels[each.place_id], each.place_id, each.line_id, each.sku, each.quantity, each.value)
        for each in event.allocations
    )
    return Confirmation(event.channel, event.external_id, event.currency, allocations)
