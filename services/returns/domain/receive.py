"""The box is here: what was in it, where it goes, what it is worth; or nothing comes of the return."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from services.returns.domain.change import Change, Conflict, Decision, Fault, Faulty, Said, TooEarly
from services.returns.domain.order import Allocation, ReturnableOrder
from services.returns.domain.policy import NEWS_SECONDS
from services.returns.domain.returns import Origin, Receipt, Rejection, Return, Spot, UnitsBack
from services.returns.domain.worth import worth
from shared.value_object import value_object


@value_object
class Found:
    """Units found in the box; without a parcel, those of this return's parcels in the order it names them."""

    line_id: str
    quantity: int
    condition: str
    disposition: str
    shipment_id: str | None = None


@value_object
class Box:
    """All that came back for one return. Without a place it is the one that shipped the goods."""

    return_id: str
    units: tuple[Found, ...]
    place_id: str | None = None


_Counted = list[tuple[Spot, Found, int]]


def receive(order: ReturnableOrder, box: Box, *, now: datetime, actor: str) -> Decision:
    """Takes the box of an authorised return, once, with all that is accepted of its units: fewer, never more.

    Condition and disposition decide where goods go, never what they are worth; who does not accept units
    leaves them out. What is left out is worth nothing and may be returned again while the window lasts.
    """
    known = order.returns[box.return_id]
    if known.rejection is not None:
        detail = f"This return is over ({known.rejection.reason}): open a new one, with goodwill=true if it is late."
        return Conflict("already_rejected", detail)
    if order.confirmation is None:
        return TooEarly("not_confirmed_yet", f"Order {order.order_id} is not fully known yet.", NEWS_SECONDS)
    counted, faults = _count(known, box.units)
    allocations = {each.spot: each for each in order.confirmation.allocations}
    faults += _unconfirmed(counted, allocations)
    if faults:
        return Faulty(tuple(faults))
    place_id = box.place_id or _only_place([allocations[spot] for spot, _, _ in counted])
    if place_id is None:
        problem = "the goods were shipped from several places"
        return Faulty((Fault("place_id", problem, "say at which place they are now"),))
    if known.receipt is not None:
        return _again(order, known, counted, place_id)
    units = _value(order, known.origin, counted, allocations)
    receipt = Receipt(place_id, units, order.confirmation.currency, now, actor)
    return Change(order.with_return(replace(known, receipt=receipt)), known.return_id, Said.RECEIVED)


def reject(order: ReturnableOrder, return_id: str, reason: str, *, now: datetime, actor: str) -> Decision:
    """Ends a return that nothing came of: not accepted, never sent, an empty box. Its units are free again."""
    known = order.returns[return_id]
    if known.receipt is not None:
        return Conflict(
            "already_received",
            "The goods were received, and that stands: pay back or correct by hand in orders.",
        )
    if known.rejection is not None:
        return Change(order, return_id)
    rejected = replace(known, rejection=Rejection(reason, now, actor))
    return Change(order.with_return(rejected), return_id, Said.REJECTED)


def expire(order: ReturnableOrder, return_id: str, *, now: datetime) -> Change | None:
    """Gives up a return whose goods never came; None if it is not due or already ended."""
    known = order.returns[return_id]
    if known.receipt or known.rejection or known.expires_at is None or now < known.expires_at:
        return None
    rejected = replace(known, rejection=Rejection("expired", now, "job:expire_returns"))
    return Change(order.with_return(rejected), return_id, Said.REJECTED)


def _count(known: Return, found: Sequence[Found]) -> tuple[_Counted, list[Fault]]:
    """Which authorised units those in the box are. Who names a parcel chooses before who does not."""
    left: Counter[Spot] = Counter()
    for units in known.units:
        left[units.spot] += units.quantity
    lines: dict[str, list[Spot]] = {}
    for spot in left:
        lines.setdefault(spot[1], []).append(spot)
    counted: dict[int, _Counted] = {}
    faults: list[Fault] = []
    for index, each in sorted(enumerate(found), key=lambda item: item[1].shipment_id is None):
        spots = [spot for spot in lines.get(each.line_id, ()) if each.shipment_id in (None, spot[0])]
        available = sum(left[spot] for spot in spots)
        if not spots:
            problem = "is not part of this return"
            faults.append(Fault(f"units.{index}.line_id", problem, "open a return for it, or leave it out"))
        elif available < each.quantity:
            problem = f"is more than the {available} units left of this return"
            faults.append(Fault(f"units.{index}.quantity", problem, "receive at most what was authorised"))
        else:
            counted[index] = _spread(spots, each, left)
    return [entry for index in sorted(counted) for entry in counted[index]], faults


def _spread(spots: Sequence[Spot], found: Found, left: Counter[Spot]) -> _Counted:
    """Takes the units from these allocations in turn."""
    entries: _Counted = []
    missing = found.quantity
    for spot in spots:
        count = min(missing, left[spot])
        if count:
            entries.append((spot, found, count))
            left[spot] -= count
            missing -= count
    return entries


def _unconfirmed(counted: _Counted, allocations: dict[Spot, Allocation]) -> list[Fault]:
    """A parcel's contents that the confirmation does not know: nobody could say what they are worth."""
    spots = dict.fromkeys(spot for spot, _, _ in counted if spot not in allocations)
    return [
        Fault("units", f"line {line_id} was not confirmed for parcel {parcel}") for parcel, line_id in spots
    ]


def _only_place(allocations: Sequence[Allocation]) -> str | None:
    places = {each.place_id for each in allocations}
    return places.pop() if len(places) == 1 else None


def _value(
    order: ReturnableOrder, origin: Origin, counted: _Counted, allocations: dict[Spot, Allocation]
) -> tuple[UnitsBack, ...]:
    """The units with their values, each allocation's in the order in which its units came back."""
    before = order.came_back()
    units = []
    for spot, found, count in counted:
        allocation = allocations[spot]
        value = 0
        if origin is Origin.CUSTOMER:
            value = worth(allocation.value, allocation.quantity, before[spot], count)
            before[spot] += count
        units.append(UnitsBack(*spot, allocation.sku, count, found.condition, found.disposition, value))
    return tuple(units)


def _again(order: ReturnableOrder, known: Return, counted: _Counted, place_id: str) -> Decision:
    """The same box again is no news; another box for the same return contradicts the first."""
    assert known.receipt is not None  # noqa: S101 - the caller looked
    have: Counter[tuple[Spot, str, str]] = Counter()
    for units in known.receipt.units:
        have[units.spot, units.condition, units.disposition] += units.quantity
    again: Counter[tuple[Spot, str, str]] = Counter()
    for spot, found, count in counted:
        again[spot, found.condition, found.disposition] += count
    if have == again and known.receipt.place_id == place_id:
        return Change(order, known.return_id)
    detail = "This return was received with other units or elsewhere, and that stands."
    return Conflict("already_received", f"{detail} Open a new return for goods that came later.")
