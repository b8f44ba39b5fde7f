"""What our own people do with a parcel. Repeating a step answers the same; contradicting it says what to do instead."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from services.fulfillment.domain.change import Change, Conflict, Decision, Faulty, Note, Said
from services.fulfillment.domain.shipment import Booking, End, Missing, Shipment, Stage

UNITS_NOT_FOUND = "units not found"


def pick(shipment: Shipment, found: Mapping[str, int] | None, now: datetime) -> Decision:
    """The picker found these units per line id; None says all of them.

    Fewer than asked for is a short pick: the parcel is cancelled as a whole, and what was found goes back.
    """
    wanted = {line.line_id: line.quantity for line in shipment.lines}
    faults = _pick_faults(wanted, found) if found is not None else ()
    if faults:
        return Faulty(faults)
    missing = tuple(
        Missing(line.line_id, line.sku, line.quantity - found[line.line_id])
        for line in shipment.lines
        if found is not None and found[line.line_id] < line.quantity
    )
    if shipment.end is End.CANCELLED:
        return Change(shipment) if missing and missing == shipment.not_found else _cancelled(shipment)
    if shipment.stage >= Stage.PICKED:
        return _already_picked(shipment) if missing else Change(shipment)
    if not missing:
        return Change(replace(shipment, stage=Stage.PICKED), notes=(Note("picked"),))
    cancelled = replace(
        shipment, end=End.CANCELLED, ended_at=now, end_reason=UNITS_NOT_FOUND, not_found=missing
    )
    detail = ", ".join(f"{units.quantity} x {units.sku}" for units in missing)
    return Change(cancelled, (Said.SHORT_PICKED,), (Note("short_picked", f"not found: {detail}"),))


def pack(shipment: Shipment, weight_g: int | None) -> Decision:
    """The parcel is closed; `weight_g` is its gross weight in grams, if it was weighed."""
    if shipment.end is End.CANCELLED:
        return _cancelled(shipment)
    if shipment.stage < Stage.PICKED:
        return Conflict("not_picked", f"Parcel {shipment.shipment_id} is not picked: pick it first.")
    if shipment.stage >= Stage.PACKED:
        if weight_g is None or weight_g == shipment.weight_g:
            return Change(shipment)
        known = "without a weight" if shipment.weight_g is None else f"with {shipment.weight_g} g"
        return Conflict(
            "already_packed", f"Parcel {shipment.shipment_id} was packed {known}: repeat it without one."
        )
    note = Note("packed", "" if weight_g is None else f"{weight_g} g")
    return Change(replace(shipment, stage=Stage.PACKED, weight_g=weight_g), notes=(note,))


def may_book(shipment: Shipment) -> Conflict | None:
    """Why no label can be booked for the parcel yet or any more, or None if it can or was."""
    if shipment.end is End.CANCELLED:
        return _cancelled(shipment)
    if shipment.stage < Stage.PACKED:
        return Conflict(
            "not_packed", f"Parcel {shipment.shipment_id} is {shipment.state}: pick and pack it first."
        )
    return None


def book(shipment: Shipment, booking: Booking) -> Change:
    """The carrier answered. The first booking stands: a parcel has one label."""
    if shipment.booking is not None:
        return Change(shipment)
    note = Note("booked", f"{booking.carrier} {booking.tracking_number}")
    return Change(replace(shipment, booking=booking), notes=(note,))


def dispatch(shipment: Shipment, at: datetime, how: str = "") -> Decision:
    """The carrier took the parcel at this time. It can no longer be cancelled."""
    refusal = may_book(shipment)
    if refusal is not None:
        return refusal
    if shipment.stage is Stage.DISPATCHED:
        return Change(shipment)
    if shipment.booking is None:
        return Conflict("not_booked", f"Parcel {shipment.shipment_id} has no label: book one first.")
    gone = replace(shipment, stage=Stage.DISPATCHED, dispatched_at=at, last_sign_at=at)
    return Change(gone, (Said.DISPATCHED,), (Note("dispatched", how, at),))


def report_end(shipment: Shipment, end: End, at: datetime, reason: str) -> Decision:
    """A person says that a dispatched parcel is lost or came back. The first end stands."""
    if shipment.end is end:
        return Change(shipment)
    if shipment.end is not None:
        return Conflict(
            "already_ended",
            f"Parcel {shipment.shipment_id} is {shipment.end.value}, and that end stands."
            " If goods did come back, open a return; if they are missing, settle it with the carrier.",
        )
    if shipment.stage is not Stage.DISPATCHED:
        return Conflict(
            "not_dispatched",
            f"Parcel {shipment.shipment_id} is {shipment.state} and still here:"
            " report missing units as a short pick, or dispatch it first.",
        )
    return finish(shipment, end, at, reason)


def finish(shipment: Shipment, end: End, at: datetime, detail: str) -> Change:
    """Brings a parcel on its way to its end."""
    ended = replace(shipment, end=end, ended_at=at, end_reason=detail or None)
    return Change(ended, (_SAYS[end],), (Note(end.value, detail, at),))


def resolve(shipment: Shipment, why: str, now: datetime) -> Change:
    """A person looked at what was flagged.

    Who lets a silent parcel go on is called again after as long: its silence counts from now.
    """
    if shipment.attention is None:
        return Change(shipment)
    note = Note("resolved", f"{shipment.attention}: {why}"[:200])
    since = now if shipment.on_its_way else shipment.last_sign_at
    return Change(replace(shipment, attention=None, last_sign_at=since), notes=(note,))


_SAYS = {
    End.DELIVERED: Said.DELIVERED,
    End.LOST: Said.LOST,
    End.RETURNED_TO_SENDER: Said.RETURNED_TO_SENDER,
}


def _pick_faults(wanted: Mapping[str, int], found: Mapping[str, int]) -> tuple[tuple[str, str], ...]:
    faults = [
        (f"lines.{line_id}", "is not a line of this parcel") for line_id in found if line_id not in wanted
    ]
    for line_id, quantity in wanted.items():
        if line_id not in found:
            faults.append((f"lines.{line_id}", "is missing: say for every line how many units were found"))
        elif not 0 <= found[line_id] <= quantity:
            faults.append((f"lines.{line_id}", f"must be between 0 and the {quantity} units to pick"))
    return tuple(faults)


def _cancelled(shipment: Shipment) -> Conflict:
    return Conflict(
        "cancelled",
        f"Parcel {shipment.shipment_id} is cancelled ({shipment.end_reason}): put its units back on the shelf.",
    )


def _already_picked(shipment: Shipment) -> Conflict:
    return Conflict(
        "already_picked",
        f"Parcel {shipment.shipment_id} is {shipment.state}, picked in full:"
        " what is missing since then is a stock adjustment.",
    )
