"""An order is to be shipped: each of its places gets a parcel to pick and pack."""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import Any

from services.fulfillment.domain.change import Said
from services.fulfillment.domain.order import confirmed, creates_parcels
from services.fulfillment.domain.shipment import Line, Shipment
from services.fulfillment.handlers.events import event
from services.fulfillment.store import Tx
from shared.contracts.orders import OrderConfirmed
from shared.messaging.message import Message, Unhandleable


class TakenParcel(Unhandleable):
    """A parcel's id is that of another one. Parked: no order may take over what another one ships."""

    reason = "taken_parcel"


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
    taken = await tx.store.shipments.create(created)
    if taken:
        raise TakenParcel(_why(taken, messages))


def _why(taken: Set[str], messages: Sequence[Message[OrderConfirmed]]) -> dict[str, str]:
    named = {
        message.id: sorted(taken & {place.shipment_id for place in message.event.places})
        for message in messages
    }
    return {
        message_id: f"shipment_id {', '.join(ids)} is another parcel's: ask who confirmed the order, then discard this"
        for message_id, ids in named.items()
        if ids
    }


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
