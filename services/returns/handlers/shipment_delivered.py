"""A parcel arrived: from now on its units may come back."""

from collections.abc import Sequence
from datetime import UTC

from services.returns.domain.order import deliver
from services.returns.handlers.say import traces
from services.returns.store import Tx
from shared.contracts.fulfillment import ShipmentDelivered
from shared.messaging.message import Message


async def shipment_delivered(messages: Sequence[Message[ShipmentDelivered]], tx: Tx) -> None:
    """Remembers when the carrier delivered, which is when the time to return begins."""
    held = await tx.store.hold_heard(traces(messages))
    for message in messages:
        event = message.event
        # A carrier's clock may be ahead; nothing was delivered after we were told so.
        delivered_at = min(event.delivered_at, message.time).astimezone(UTC)
        held.keep(deliver(held[event.order_id], event.shipment_id, delivered_at))
    await tx.store.save(held)
