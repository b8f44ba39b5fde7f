"""Scans in any order, with duplicates, tell the same story."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fulfillment.domain.change import Change, Raised, Said
from services.fulfillment.domain.shipment import EXCEPTIONS, Booking, End, Scan, Shipment, Stage
from services.fulfillment.domain.steps import resolve
from services.fulfillment.domain.tracking import SECOND_END, SILENT, record_scan, silence, time_fault
from tests.unit.fulfillment.histories import MOVING, NOON, STATUSES, hours, parcel

PACKED = parcel(stage=Stage.PACKED, booking=Booking("local", "1", ""))
AWAY = replace(PACKED, stage=Stage.DISPATCHED, dispatched_at=NOON, last_sign_at=NOON)

_scans = st.lists(
    st.builds(
        Scan,
        scan_id=st.integers(0, 1000).map(str),
        status=st.sampled_from(MOVING + tuple(sorted(EXCEPTIONS))),
        occurred_at=st.integers(0, 5).map(hours),
    ),
    unique_by=lambda scan: scan.scan_id,
    max_size=8,
)


def after(shipment: Shipment, scans: list[Scan]) -> Shipment:
    """The parcel with these scans, each taken once, as the database sees to it."""
    known: set[str] = set()
    for scan in scans:
        if scan.scan_id not in known:
            known.add(scan.scan_id)
            shipment = record_scan(shipment, scan).shipment
    return shipment


@given(_scans, st.randoms(use_true_random=False))
def test_any_order_and_any_duplicates_give_the_same_parcel(scans: list[Scan], random: object) -> None:
    shuffled = scans + scans
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert after(AWAY, shuffled) == after(AWAY, scans)


@given(_scans)
def test_the_state_is_that_of_the_newest_scan(scans: list[Scan]) -> None:
    shipment = after(AWAY, scans)
    if scans:
        newest = max(scan.occurred_at for scan in scans)
        assert shipment.last_scan is not None
        assert shipment.last_scan.occurred_at == newest
        assert (shipment.state == "exception") == (shipment.last_scan.status in EXCEPTIONS)


@given(st.permutations(["delivered", "lost", "returned_to_sender"]), st.permutations([1, 2, 3]))
def test_the_first_end_that_comes_stands_and_the_others_are_flagged(
    statuses: list[str], at: list[int]
) -> None:
    shipment = AWAY
    said: list[Said | Raised] = []
    for number, (status, hour) in enumerate(zip(statuses, at, strict=True)):
        change = record_scan(shipment, Scan(str(number), status, hours(hour)))
        shipment = change.shipment
        said += change.says
    assert shipment.end is End(statuses[0])
    assert shipment.ended_at == hours(at[0])
    assert len(said) == 1
    assert shipment.attention == SECOND_END


@pytest.mark.parametrize("status", STATUSES)
def test_only_a_scan_that_needs_the_parcel_dispatches_it(status: str) -> None:
    change = record_scan(PACKED, Scan("1", status, hours(3)))
    left = status not in {"delivery_delayed", "on_hold"}
    assert (Said.DISPATCHED in change.says) == left
    if left:
        assert change.shipment.dispatched_at == hours(3)
        assert change.says[0] is Said.DISPATCHED
    else:
        assert change.says == ()
        assert change.shipment.state == "packed"
        assert change.notes[0].flagged


def test_an_exception_that_was_overtaken_is_not_raised_but_damage_is() -> None:
    moving = record_scan(AWAY, Scan("1", "out_for_delivery", hours(5))).shipment
    assert record_scan(moving, Scan("2", "delivery_failed", hours(4))).says == ()
    damaged = Scan("3", "damaged", hours(4))
    assert record_scan(moving, damaged).says == (Raised(damaged),)
    assert record_scan(moving, damaged).shipment.state == "dispatched"


def test_late_scans_of_the_way_are_no_contradiction_but_movement_after_the_end_is() -> None:
    ended = record_scan(AWAY, Scan("1", "delivered", hours(5))).shipment
    assert record_scan(ended, Scan("2", "in_transit", hours(2))).shipment == ended
    assert record_scan(ended, Scan("3", "delivered", hours(6))).shipment == ended
    moved = record_scan(ended, Scan("4", "in_transit", hours(6)))
    assert moved.shipment.attention == SECOND_END
    assert moved.says == ()


def test_silence_is_flagged_once_and_ends_with_the_next_scan() -> None:
    assert silence(AWAY, NOON, 5).shipment == AWAY
    flagged = silence(AWAY, hours(1), 5)
    assert flagged.shipment.attention == SILENT
    assert silence(flagged.shipment, hours(1), 5).notes == ()
    assert record_scan(flagged.shipment, Scan("1", "in_transit", hours(2))).shipment.attention is None
    assert silence(PACKED, hours(1), 5).shipment == PACKED
    delivered = record_scan(AWAY, Scan("1", "delivered", NOON)).shipment
    assert silence(delivered, hours(1), 5).shipment == delivered


def test_silence_counts_from_when_a_person_let_it_go_on_and_is_dated_by_the_last_scan() -> None:
    moved = record_scan(AWAY, Scan("1", "in_transit", hours(1))).shipment
    looked = resolve(silence(moved, hours(2), 5).shipment, "wait", hours(8)).shipment
    assert silence(looked, hours(8), 5) == Change(looked)
    again = silence(looked, hours(9), 5)
    assert again.shipment.attention == SILENT
    assert again.notes[0].occurred_at == hours(1)
    late = record_scan(looked, Scan("2", "in_transit", hours(7))).shipment
    assert silence(late, hours(8), 5) == Change(late), "a scan from before does not shorten what was put off"
    later = record_scan(looked, Scan("3", "in_transit", hours(10))).shipment
    assert silence(later, hours(10), 5) == Change(later)
    assert silence(later, hours(11), 5).notes[0].occurred_at == hours(10)


def test_resolving_touches_neither_what_nobody_flagged_nor_when_an_ended_parcel_was_heard_of() -> None:
    damaged = record_scan(AWAY, Scan("1", "damaged", hours(1))).shipment
    assert resolve(damaged, "only the box", hours(8)) == Change(damaged)
    ended = record_scan(AWAY, Scan("1", "delivered", hours(1))).shipment
    twice = record_scan(ended, Scan("2", "lost", hours(2))).shipment
    assert resolve(twice, "neighbour had it", hours(8)).shipment == ended


@given(st.datetimes(timezones=st.timezones()))
def test_any_time_is_judged_and_none_breaks_the_judge(at: object) -> None:
    fault = time_fault(at, NOON)  # type: ignore[arg-type]
    if fault is None:
        assert 2000 <= at.year <= NOON.year + 1  # type: ignore[attr-defined]


def test_times_a_day_ahead_are_clock_skew_and_later_ones_are_not() -> None:
    assert time_fault(hours(23), NOON) is None
    assert time_fault(hours(25), NOON) == "lies more than a day in the future"
