"""A parcel came back undelivered: its goods are to be received like any other return's."""

from collections.abc import Sequence

from services.returns.domain.send_back import send_back
from services.returns.handlers.say import carry_out, traces
from services.returns.store import Tx
from shared.contracts.fulfillment import ShipmentReturnedToSender
from shared.messaging.message import Message


async def shipment_returned_to_sender(messages: Sequence[Message[ShipmentReturnedToSender]], tx: Tx) -> None:
    """Opens a return for all that was in the parcel, once, worth nothing by itself."""
    held = await tx.store.hold_heard(traces(messages))
    for message in messages:
        event = message.event
        contents = [(line.line_id, line.sku, line.quantity) for line in event.lines]
        change = send_back(held[event.order_id], event.shipment_id, contents, tx.now)
        if change is not None:
            carry_out(change, held, tx, cause=message)
    await tx.store.save(held)
