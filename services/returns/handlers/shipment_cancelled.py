"""Parcels will not ship: nothing of them will come back, and nobody needs to wait for them."""

from collections.abc import Sequence

from services.returns.domain.order import lose
from services.returns.handlers.say import traces
from services.returns.store import Tx
from shared.contracts.fulfillment import ShipmentCancelled
from shared.messaging.message import Message


async def shipment_cancelled(messages: Sequence[Message[ShipmentCancelled]], tx: Tx) -> None:
    """Remembers which parcels were cancelled. An order without parcels was never confirmed and is none of ours."""
    about = [message for message in messages if message.event.parcels]
    held = await tx.store.hold_heard(traces(about))
    for message in about:
        event = message.event
        parcels = [parcel.shipment_id for parcel in event.parcels]
        held.keep(lose(held[event.order_id], parcels, "cancelled"))
    await tx.store.save(held)
