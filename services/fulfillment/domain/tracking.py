"""What carriers say about parcels: scans come late, twice and out of order, and are merged into one truth."""

from dataclasses import replace
from datetime import datetime, timedelta

from services.fulfillment.domain.change import Change, Note, Raised
from services.fulfillment.domain.shipment import EXCEPTIONS, End, Scan, Shipment, Stage
from services.fulfillment.domain.steps import dispatch, finish

_ENDS = {
    "delivered": End.DELIVERED,
    "lost": End.LOST,
    "returned_to_sender": End.RETURNED_TO_SENDER,
}

# Of two scans at the same moment the one that says more wins.
_FROM_WEAK_TO_STRONG = (
    "picked_up", "in_transit", "delivery_delayed", "on_hold", "out_for_delivery", "ready_for_pickup",
    "delivery_failed", "damaged", "lost", "returned_to_sender", "delivered",
)  # fmt: skip
_PRECEDENCE = {status: rank for rank, status in enumerate(_FROM_WEAK_TO_STRONG)}

# These a carrier can say of a parcel that it was only announced; all others need the parcel in its hands.
_WITHOUT_THE_PARCEL = frozenset({"delivery_delayed", "on_hold"})

_EARLIEST_YEAR = 2000
_CLOCK_TOLERANCE = timedelta(days=1)


def time_fault(occurred_at: datetime, now: datetime) -> str | None:
    """What is wrong with a carrier's time: it must lie between the year 2000 and a day from now."""
    if occurred_at.year < _EARLIEST_YEAR:
        return f"lies before the year {_EARLIEST_YEAR}"
    if occurred_at.year > now.year + 1 or occurred_at > now + _CLOCK_TOLERANCE:
        return "lies more than a day in the future"
    return None


def record_scan(shipment: Shipment, scan: Scan) -> Change:
    """Adds a scan the parcel has not had before; the caller has made sure of that.

    The newest scan by the carrier's time gives the status. A scan of a packed parcel that only the carrier can
    have made proves that it left us, so it dispatches it: money and stock follow what happened, not what was
    clicked. The first end stands; another end, or a movement after it, is only flagged.
    """
    if shipment.end is not None:
        return _after_the_end(shipment, scan)
    left = _left_us(shipment, scan)
    shipment = left.shipment
    newest = shipment.last_scan is None or _order(scan) > _order(shipment.last_scan)
    if newest:
        sign = max(scan.occurred_at, shipment.last_sign_at or scan.occurred_at)
        shipment = replace(shipment, last_scan=scan, last_sign_at=sign)
    if shipment.attention == SILENT:
        shipment = replace(shipment, attention=None)
    if shipment.stage is not Stage.DISPATCHED:
        return Change(shipment, notes=(Note("early_scan", _words(scan), scan.occurred_at, flagged=True),))
    if scan.status in _ENDS:
        return left.followed_by(finish(shipment, _ENDS[scan.status], scan.occurred_at, scan.detail))
    # An exception that a later scan has already overtaken is history; damage is not undone by moving on.
    if scan.status in EXCEPTIONS and (newest or scan.status == "damaged"):
        note = Note("exception", _words(scan), scan.occurred_at)
        return left.followed_by(Change(shipment, (Raised(scan),), (note,)))
    return left.followed_by(Change(shipment))


SILENT = "silent"
"""Attention: no scan came for too long."""
SECOND_END = "second_end"
"""Attention: the carrier said something that contradicts the end that stands."""


def silence(shipment: Shipment, before: datetime, days: int) -> Change:
    """Flags a parcel on its way whose last sign came before `before`, which is `days` days ago.

    Its timeline says when it was last heard of, however often a person has let it go on since.
    """
    heard = shipment.last_sign_at is None or shipment.last_sign_at >= before
    if not shipment.on_its_way or heard or shipment.attention == SILENT:
        return Change(shipment)
    note = Note("silent", f"no sign for {days} days", shipment.last_heard_at, flagged=True)
    return Change(replace(shipment, attention=SILENT), notes=(note,))


def _left_us(shipment: Shipment, scan: Scan) -> Change:
    if shipment.stage is not Stage.DISPATCHED and scan.status not in _WITHOUT_THE_PARCEL:
        gone = dispatch(shipment, scan.occurred_at, "inferred from the carrier's scan")
        if isinstance(gone, Change):
            return gone
    return Change(shipment)


def _after_the_end(shipment: Shipment, scan: Scan) -> Change:
    same = _ENDS.get(scan.status) is shipment.end
    late = (
        shipment.ended_at is not None and scan.status not in _ENDS and scan.occurred_at <= shipment.ended_at
    )
    if same or late:
        return Change(shipment)
    note = Note("second_end", _words(scan), scan.occurred_at, flagged=True)
    return Change(replace(shipment, attention=SECOND_END), notes=(note,))


def _order(scan: Scan) -> tuple[datetime, int, str]:
    return scan.occurred_at, _PRECEDENCE[scan.status], scan.scan_id


def _words(scan: Scan) -> str:
    return ": ".join(part for part in (scan.status, scan.detail, scan.location) if part)[:200]
