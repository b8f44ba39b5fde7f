"""Parcels will not ship: units that were not found are unavailable until counted, the rest is free again."""

from collections import Counter
from collections.abc import Sequence

from services.inventory.domain.reservation import Fate, Parcel, settle
from services.inventory.handlers.levels import tell_levels
from services.inventory.store import Tx
from shared.contracts.fulfillment import CancelledParcel, ShipmentCancelled
from shared.messaging.message import Message


async def shipment_cancelled(messages: Sequence[Message[ShipmentCancelled]], tx: Tx) -> None:
    """Settle each named parcel once; the answer about a whole order repeats what a short pick said before it."""
    before = await tx.store.reservations.take({message.event.order_id: message.trace for message in messages})
    named = [(message.event.order_id, parcel) for message in messages for parcel in message.event.parcels]
    shelf = await tx.store.stock.open(
        {allotment.sku for order_id, parcel in named for allotment in before[order_id].at(parcel.place_id)}
    )

    after = dict(before)
    for order_id, parcel in named:
        after[order_id] = settle(after[order_id], _cancelled(parcel), shelf.book)

    await tx.store.reservations.save(before, after)
    changes = await tx.store.stock.save(shelf)
    causes = {parcel.shipment_id: message for message in messages for parcel in message.event.parcels}
    tell_levels(changes, shelf.book.movements, causes, tx)


def _cancelled(parcel: CancelledParcel) -> Parcel:
    not_found = Counter[str]()
    for units in parcel.not_found:
        not_found[units.line_id] += units.quantity
    return Parcel(parcel.place_id, Fate.CANCELLED, parcel.shipment_id, dict(not_found))
