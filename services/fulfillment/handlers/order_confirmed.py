"""An order is to be shipped: each of its places gets a parcel to pick and pack."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.fulfillment.domain.change import Said
from services.fulfillment.domain.order import confirmed, creates_parcels
from services.fulfillment.domain.shipment import Line, Shipment
from services.fulfillment.handlers.events import event
from services.fulfillment.store import Tx
from shared.contracts.orders import OrderConfirmed
from shared.messaging.message import Message


async def order_confirmed(messages: Sequence[Message[OrderConfirmed]], tx: Tx) -> None:
    """Creates one parcel per place, once per order; none if its cancellation was answered before it came."""
    first = {message.event.order_id: message for message in reversed(messages)}
    orders = [confirmed(key, message.trace, len(message.event.places)) for key, message in first.items()]
    recipients = {key: _recipient(message.event) for key, message in first.items()}
    before = await tx.store.orders.claim(orders, recipients)
    created = []
    for order_id, message in first.items():
        if not creates_parcels(before.get(order_id)):
            continue
        for number, (parcel, sender) in enumerate(_parcels(message.event, tx.now), start=1):
            created.append((parcel, sender))
            tx.emit(event(Said.CREATED, parcel), trace=message.trace, cause=message, sequence=number)
    await tx.store.shipments.create(created)


def _parcels(order: OrderConfirmed, now: datetime) -> list[tuple[Shipment, Mapping[str, Any]]]:
    lines: dict[str, list[Line]] = {place.place_id: [] for place in order.places}
    for units in order.allocations:
        lines[units.place_id].append(Line(units.line_id, units.sku, units.quantity, units.unit_weight_g))
    return [
        (
            Shipment(place.shipment_id, order.order_id, place.place_id, tuple(lines[place.place_id]), now),
            {"name": place.name, **place.address.model_dump(exclude_none=True)},
        )
        for place in order.places
    ]


def _recipient(order: OrderConfirmed) -> Mapping[str, Any]:
    return {
        "name": order.contact.name,
        "phone": order.contact.phone,
        **order.address.model_dump(exclude_none=True),
    }
