"""A parcel was lost: nothing of it will come back, and nobody needs to wait for it."""

from collections.abc import Sequence

from services.returns.domain.order import lose
from services.returns.handlers.say import traces
from services.returns.store import Tx
from shared.contracts.fulfillment import ShipmentLost
from shared.messaging.message import Message


async def shipment_lost(messages: Sequence[Message[ShipmentLost]], tx: Tx) -> None:
    """Remembers which parcels were lost."""
    held = await tx.store.hold_heard(traces(messages))
    for message in messages:
        event = message.event
        held.keep(lose(held[event.order_id], (event.shipment_id,), "lost"))
    await tx.store.save(held)
