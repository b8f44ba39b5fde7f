"""A parcel left: what was reserved for it is gone."""

from collections.abc import Sequence

from services.inventory.domain.reservation import Fate, Parcel, settle
from services.inventory.handlers.levels import tell_levels
from services.inventory.store import Tx
from shared.contracts.fulfillment import ShipmentDispatched
from shared.messaging.message import Message


async def shipment_dispatched(messages: Sequence[Message[ShipmentDispatched]], tx: Tx) -> None:
    """Take the units of each parcel off hand, once."""
    before = await tx.store.reservations.take({message.event.order_id: message.trace for message in messages})
    touched = {(message.event.order_id, message.event.place_id) for message in messages}
    shelf = await tx.store.stock.open(
        {allotment.sku for order_id, place_id in touched for allotment in before[order_id].at(place_id)}
    )

    after = dict(before)
    for message in messages:
        event = message.event
        parcel = Parcel(event.place_id, Fate.DISPATCHED, event.shipment_id)
        after[event.order_id] = settle(after[event.order_id], parcel, shelf.book)

    await tx.store.reservations.save(before, after)
    changes = await tx.store.stock.save(shelf)
    tell_levels(
        changes, shelf.book.movements, {message.event.shipment_id: message for message in messages}, tx
    )
