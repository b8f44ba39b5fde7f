"""Steps of our own people: each once, in turn, and what is said when they contradict what is known."""

from dataclasses import replace

import pytest

from services.fulfillment.domain import steps
from services.fulfillment.domain.change import Change, Conflict, Faulty, Said
from services.fulfillment.domain.order import (
    Answer,
    FulfilmentOrder,
    answer_cancel,
    confirmed,
    creates_parcels,
)
from services.fulfillment.domain.shipment import Booking, End, Missing, Stage
from tests.unit.fulfillment.histories import NOON, hours, parcel

BOOKING = Booking("local", "004000000000000015", "https://example.test")


def test_a_short_pick_names_what_is_missing_and_cancels_the_parcel() -> None:
    change = steps.pick(parcel(), {"l0": 0, "l1": 1}, NOON)
    assert isinstance(change, Change)
    assert change.says == (Said.SHORT_PICKED,)
    assert change.shipment.end is End.CANCELLED
    assert change.shipment.not_found == (Missing("l0", "sku-0", 2),)
    assert steps.pick(change.shipment, {"l0": 0, "l1": 1}, NOON) == Change(change.shipment)
    assert isinstance(steps.pick(change.shipment, {"l0": 1, "l1": 1}, NOON), Conflict)
    assert isinstance(steps.pick(change.shipment, None, NOON), Conflict)


@pytest.mark.parametrize(
    ("found", "fields"),
    [
        ({"l0": 3, "l1": 1}, {"lines.l0"}),
        ({"l0": -1, "l1": 2}, {"lines.l0", "lines.l1"}),
        ({"l0": 2}, {"lines.l1"}),
        ({"l0": 2, "l1": 1, "x": 1}, {"lines.x"}),
    ],
)
def test_a_pick_that_cannot_be_right_names_every_line(found: dict[str, int], fields: set[str]) -> None:
    faulty = steps.pick(parcel(), found, NOON)
    assert isinstance(faulty, Faulty)
    assert {field for field, _ in faulty.faults} == fields


def test_the_first_booking_stands() -> None:
    packed = parcel(stage=Stage.PACKED)
    booked = steps.book(packed, BOOKING).shipment
    assert steps.book(booked, replace(BOOKING, tracking_number="2")) == Change(booked)
    assert isinstance(steps.dispatch(packed, NOON), Conflict)


@pytest.mark.parametrize("stage", [Stage.CREATED, Stage.PICKED])
def test_what_is_not_packed_can_neither_be_booked_nor_dispatched(stage: Stage) -> None:
    refusal = steps.may_book(parcel(stage=stage))
    assert refusal is not None
    assert steps.dispatch(parcel(stage=stage, booking=BOOKING), NOON) == refusal


def test_a_reported_end_needs_a_parcel_on_its_way_and_stands() -> None:
    away = parcel(stage=Stage.DISPATCHED, booking=BOOKING, dispatched_at=NOON)
    lost = steps.report_end(away, End.LOST, hours(2), "van burnt")
    assert isinstance(lost, Change)
    assert lost.shipment.ended_at == hours(2)
    assert steps.report_end(lost.shipment, End.LOST, hours(9), "") == Change(lost.shipment)
    assert isinstance(steps.report_end(lost.shipment, End.RETURNED_TO_SENDER, hours(9), ""), Conflict)
    assert isinstance(steps.report_end(parcel(stage=Stage.PACKED), End.LOST, NOON, ""), Conflict)


def test_a_confirmation_after_a_tombstone_creates_nothing() -> None:
    tombstone = answer_cancel(FulfilmentOrder("o", "t"), [], "late", NOON)
    assert tombstone is not None
    assert (tombstone.answer, tombstone.parcels) == (Answer.CANCELLED, ())
    assert creates_parcels(None)
    assert not creates_parcels(tombstone.order)
    assert not creates_parcels(confirmed("o", "t", 1))


def test_a_cancel_after_only_short_picks_repeats_what_was_not_found() -> None:
    short = steps.pick(parcel("a"), {"l0": 1, "l1": 1}, NOON)
    assert isinstance(short, Change)
    answer = answer_cancel(confirmed("o", "t", 2), [short.shipment, parcel("b")], "asked", NOON)
    assert answer is not None
    assert answer.answer is Answer.CANCELLED
    assert [len(given.not_found) for given in answer.parcels] == [1, 0]
    assert [change.shipment.place_id for change in answer.changes] == ["b"]
