"""Decisions about parcels in the form of the contracts."""

from collections.abc import Sequence

from services.fulfillment.domain.change import Raised, Said
from services.fulfillment.domain.shipment import Shipment
from shared.contracts.envelope import OrderEvent
from shared.contracts.fulfillment import (
    CancelledParcel,
    ShipmentCancelled,
    ShipmentCreated,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentExceptionRaised,
    ShipmentLine,
    ShipmentLost,
    ShipmentReturnedToSender,
    UnitsNotFound,
)


def event(said: Said | Raised, parcel: Shipment) -> OrderEvent:
    """What is said about a parcel. Raises ValueError when the parcel lacks what must have gone before."""
    order_id, shipment_id, place_id = parcel.order_id, parcel.shipment_id, parcel.place_id
    if said is Said.SHORT_PICKED:
        reason = parcel.end_reason or ""
        parcels = cancelled_parcels([parcel])
        return ShipmentCancelled(order_id=order_id, parcels=parcels, requested=False, reason=reason)
    lines = tuple(
        ShipmentLine(line_id=line.line_id, sku=line.sku, quantity=line.quantity) for line in parcel.lines
    )
    if isinstance(said, Raised):
        return ShipmentExceptionRaised(
            order_id=order_id,
            shipment_id=shipment_id,
            place_id=place_id,
            lines=lines,
            reason=said.scan.status,
            detail=said.scan.detail,
            raised_at=said.scan.occurred_at,
        )
    if said is Said.CREATED:
        return ShipmentCreated(order_id=order_id, shipment_id=shipment_id, place_id=place_id, lines=lines)
    if said is Said.DISPATCHED:
        return _dispatched(parcel, lines)
    if parcel.ended_at is None:
        raise ValueError(f"parcel {shipment_id} has no end")
    if said is Said.DELIVERED:
        return ShipmentDelivered(
            order_id=order_id,
            shipment_id=shipment_id,
            place_id=place_id,
            lines=lines,
            delivered_at=parcel.ended_at,
        )
    if said is Said.LOST:
        return ShipmentLost(
            order_id=order_id,
            shipment_id=shipment_id,
            place_id=place_id,
            lines=lines,
            lost_at=parcel.ended_at,
        )
    return ShipmentReturnedToSender(
        order_id=order_id,
        shipment_id=shipment_id,
        place_id=place_id,
        lines=lines,
        returned_at=parcel.ended_at,
    )


def cancelled_parcels(parcels: Sequence[Shipment]) -> tuple[CancelledParcel, ...]:
    """Parcels that will not ship, with the units that were not found."""
    return tuple(
        CancelledParcel(
            shipment_id=parcel.shipment_id,
            place_id=parcel.place_id,
            not_found=tuple(
                UnitsNotFound(line_id=units.line_id, sku=units.sku, quantity=units.quantity)
                for units in parcel.not_found
            ),
        )
        for parcel in parcels
    )


def _dispatched(parcel: Shipment, lines: tuple[ShipmentLine, ...]) -> ShipmentDispatched:
    if parcel.booking is None or parcel.dispatched_at is None:
        raise ValueError(f"parcel {parcel.shipment_id} was not dispatched")
    return ShipmentDispatched(
        order_id=parcel.order_id,
        shipment_id=parcel.shipment_id,
        place_id=parcel.place_id,
        lines=lines,
        carrier=parcel.booking.carrier,
        tracking_number=parcel.booking.tracking_number,
        tracking_url=parcel.booking.tracking_url,
        dispatched_at=parcel.dispatched_at,
    )
