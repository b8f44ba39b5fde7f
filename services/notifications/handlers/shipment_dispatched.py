"""shipment.dispatched: the customer learns that a parcel is on its way and how to follow it."""

from collections.abc import Sequence

from services.notifications.domain.delivery import Notice
from services.notifications.handlers.announce import announce, shown_lines
from services.notifications.store import Tx
from shared.contracts.fulfillment import ShipmentDispatched
from shared.messaging.message import Message


async def shipment_dispatched(messages: Sequence[Message[ShipmentDispatched]], tx: Tx) -> None:
    """One mail per parcel."""
    await announce(messages, tx, _notice)


def _notice(parcel: ShipmentDispatched) -> Notice:
    data = {
        **shown_lines(parcel.lines),
        "carrier": parcel.carrier,
        "tracking_number": parcel.tracking_number,
        "tracking_url": parcel.tracking_url,
        "dispatched_at": parcel.dispatched_at.isoformat(),
    }
    return Notice(parcel.order_id, "shipment_dispatched", cause=parcel.shipment_id, data=data)
