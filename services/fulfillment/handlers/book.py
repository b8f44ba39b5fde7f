"""A packed parcel gets its carrier, its tracking number and thereby its label."""

from collections.abc import Iterable, Sequence

from services.fulfillment.domain import steps
from services.fulfillment.domain.carrier import Carrier
from services.fulfillment.domain.change import Change, Decision
from services.fulfillment.domain.shipment import Booking, Shipment
from services.fulfillment.handlers.steps import Steps, hold, settle
from services.fulfillment.store import Tx
from shared.messaging.message import Command, Outcome
from shared.value_object import value_object


@value_object
class Book:
    """A parcel to announce to the carrier."""

    shipment_id: str


async def book(commands: Sequence[Command[Steps[Book]]], tx: Tx) -> Sequence[Outcome]:
    """Books each parcel once; asking again answers the booking there is."""
    held = await hold(commands, tx)
    bookings = await ask_carrier(held.shipments.values(), tx)
    return await settle(commands, held, tx, lambda parcel, _: with_booking(parcel, bookings))


async def ask_carrier(parcels: Iterable[Shipment], tx: Tx) -> dict[str, Booking]:
    """New bookings, per shipment id, for those of the parcels that may have one and have none."""
    unbooked = [
        parcel.shipment_id for parcel in parcels if parcel.booking is None and steps.may_book(parcel) is None
    ]
    if not unbooked:
        return {}
    carrier: Carrier = tx.ports.carrier
    consignments = await tx.store.shipments.consignments(unbooked)
    serials = await tx.store.shipments.next_serials(len(unbooked))
    return {
        shipment_id: await carrier.book(consignments[shipment_id], serial)
        for shipment_id, serial in zip(unbooked, serials, strict=True)
    }


def with_booking(parcel: Shipment, bookings: dict[str, Booking]) -> Decision:
    """The parcel with the carrier's answer, if it needed one."""
    refusal = steps.may_book(parcel)
    if refusal is not None:
        return refusal
    return steps.book(parcel, bookings[parcel.shipment_id]) if parcel.booking is None else Change(parcel)
