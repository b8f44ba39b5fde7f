"""shipment.delivered: the customer learns that a parcel arrived (and can object if it did not)."""

from collections.abc import Sequence

from services.notifications.domain.delivery import Notice
from services.notifications.handlers.announce import announce, shown_lines
from services.notifications.store import Tx
from shared.contracts.fulfillment import ShipmentDelivered
from shared.messaging.message import Message


async def shipment_delivered(messages: Sequence[Message[ShipmentDelivered]], tx: Tx) -> None:
    """One mail per parcel."""
    await announce(messages, tx, _notice)


def _notice(parcel: ShipmentDelivered) -> Notice:
    data = {**shown_lines(parcel.lines), "delivered_at": parcel.delivered_at.isoformat()}
    return Notice(parcel.order_id, "shipment_delivered", cause=parcel.shipment_id, data=data)
