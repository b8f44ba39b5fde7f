"""Merging carriers' scans into parcels, whichever road they came on."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any

from services.fulfillment.domain.shipment import Scan, Shipment
from services.fulfillment.domain.tracking import record_scan, time_fault
from services.fulfillment.handlers.say import carry_out
from services.fulfillment.store import Tx
from shared.contracts.carriers import ShipmentTrackingSubmitted
from shared.contracts.envelope import FieldError
from shared.messaging.message import Command, Message
from shared.value_object import value_object


@value_object
class Submitted:
    """A scan as it was submitted, with what brought it and who said it."""

    scan: ShipmentTrackingSubmitted
    cause: Message[Any] | Command[Any]
    actor: str


@value_object
class Taken:
    """The scan is known now; `new` is false if it was known before, or came twice."""

    shipment: Shipment
    new: bool


Verdict = Taken | FieldError
"""A scan is taken, or the field that stands in the way is named."""


async def merge_scans(submitted: Sequence[Submitted], tx: Tx) -> list[Verdict]:
    """Takes scans in the order given; the verdicts are in the same order."""
    numbers = {entry.scan.tracking_number for entry in submitted}
    parcels = await tx.store.shipments.numbered(numbers)
    found = [_parcel(entry.scan, parcels.get(entry.scan.tracking_number, []), tx) for entry in submitted]
    held = await tx.store.hold_shipments(
        {parcel.shipment_id for parcel in found if isinstance(parcel, Shipment)}
    )
    matched = [
        (entry, parcel.shipment_id, _scan(entry.scan)) if isinstance(parcel, Shipment) else parcel
        for entry, parcel in zip(submitted, found, strict=True)
    ]
    new = await tx.store.scans.add([(match[1], match[2]) for match in matched if isinstance(match, tuple)])
    verdicts: list[Verdict] = []
    for match in matched:
        if isinstance(match, FieldError):
            verdicts.append(match)
            continue
        entry, shipment_id, scan = match
        first_time = (shipment_id, scan.scan_id) in new
        if first_time:
            new.remove((shipment_id, scan.scan_id))
            change = record_scan(held.shipments[shipment_id], scan)
            carry_out(change, held, tx, cause=entry.cause, actor=entry.actor)
        verdicts.append(Taken(held.shipments[shipment_id], first_time))
    await tx.store.save(held)
    return verdicts


def _parcel(scan: ShipmentTrackingSubmitted, parcels: Sequence[Shipment], tx: Tx) -> Shipment | FieldError:
    fault = time_fault(scan.occurred_at, tx.now)
    if fault is not None:
        return FieldError(
            field="occurred_at", problem=fault, remedy="send the carrier's time with its UTC offset"
        )
    for parcel in parcels:
        if parcel.booking is not None and parcel.booking.carrier == scan.carrier:
            return parcel
    if parcels:
        return FieldError(field="carrier", problem="this number was booked with another carrier")
    return FieldError(
        field="tracking_number",
        problem="no parcel has this number",
        remedy="send the number of shipment.dispatched; if the parcel is not ours, keep its scans",
    )


def _scan(scan: ShipmentTrackingSubmitted) -> Scan:
    return Scan(
        scan_id=scan.scan_id,
        status=scan.status,
        occurred_at=scan.occurred_at.astimezone(UTC),
        location=scan.location,
        detail=scan.detail,
    )
