"""The carrier took parcels."""

from collections.abc import Sequence
from datetime import UTC, datetime

from services.fulfillment.domain import steps
from services.fulfillment.domain.change import Change, Decision, Faulty
from services.fulfillment.domain.shipment import Shipment
from services.fulfillment.domain.tracking import time_fault
from services.fulfillment.handlers.book import ask_carrier, with_booking
from services.fulfillment.handlers.steps import Steps, hold, settle
from services.fulfillment.store import Tx
from shared.messaging.message import Command, Outcome
from shared.value_object import value_object


@value_object
class Dispatch:
    """A parcel that left; when, if it was not just now."""

    shipment_id: str
    at: datetime | None = None


async def dispatch(commands: Sequence[Command[Steps[Dispatch]]], tx: Tx) -> Sequence[Outcome]:
    """Dispatched, once; a parcel without a label is booked on the way."""
    held = await hold(commands, tx)
    bookings = await ask_carrier(held.shipments.values(), tx)

    def decide(parcel: Shipment, row: Dispatch) -> Decision:
        fault = time_fault(row.at, tx.now) if row.at is not None else None
        if fault is not None:
            return Faulty((("at", fault),))
        booked = with_booking(parcel, bookings)
        if not isinstance(booked, Change):
            return booked
        gone = steps.dispatch(booked.shipment, row.at.astimezone(UTC) if row.at else tx.now)
        return booked.followed_by(gone) if isinstance(gone, Change) else gone

    return await settle(commands, held, tx, decide)
