"""Whatever happens to an order, in whatever order and however often: what is said of it stays true."""

from collections import Counter
from typing import Any

from hypothesis import given

from services.fulfillment.domain.change import Raised, Said
from services.fulfillment.domain.order import Answer
from services.fulfillment.domain.shipment import End, Stage
from tests.unit.fulfillment.histories import History, histories

ENDS = {Said.DELIVERED: End.DELIVERED, Said.LOST: End.LOST, Said.RETURNED_TO_SENDER: End.RETURNED_TO_SENDER}
Played = tuple[int, list[tuple[Any, ...]]]


def play(played: Played) -> History:
    places, events = played
    history = History(places)
    for event in events:
        history.play(event)
    return history


@given(histories())
def test_a_cancel_request_gets_exactly_one_answer(played: Played) -> None:
    history = play(played)
    assert len(history.answers) == (1 if ("cancel",) in played[1] else 0)


@given(histories())
def test_the_answer_is_all_or_nothing(played: Played) -> None:
    history = play(played)
    for answer, before in zip(history.answers, history.at_answer, strict=True):
        picked = [parcel for parcel in before.values() if parcel.stage >= Stage.PICKED]
        assert answer.answer is (Answer.REFUSED if picked else Answer.CANCELLED)
        if answer.answer is Answer.CANCELLED:
            assert {parcel.shipment_id for parcel in answer.parcels} == {
                p.shipment_id for p in before.values()
            }
            assert all(parcel.end is End.CANCELLED for parcel in answer.parcels)
        else:
            assert answer.changes == ()


@given(histories())
def test_nothing_moves_any_more_once_cancelled_was_answered(played: Played) -> None:
    places, events = played
    history = History(places)
    for event in events:
        before, said = dict(history.parcels), list(history.said)
        closed = history.answered(Answer.CANCELLED)
        history.play(event)
        if closed:
            assert history.parcels == before
            assert history.said == said


@given(histories())
def test_facts_only_join(played: Played) -> None:
    places, events = played
    history = History(places)
    for event in events:
        before = dict(history.parcels)
        history.play(event)
        for place, old in before.items():
            new = history.parcels[place]
            assert new.stage >= old.stage
            assert old.end is None or (new.end, new.ended_at, new.end_reason) == (
                old.end,
                old.ended_at,
                old.end_reason,
            )
            assert old.booking is None or new.booking == old.booking
            assert old.dispatched_at is None or new.dispatched_at == old.dispatched_at
            assert old.last_scan is None or (
                new.last_scan is not None and new.last_scan.occurred_at >= old.last_scan.occurred_at
            )


@given(histories())
def test_each_thing_is_said_once_and_in_an_order_that_makes_sense(played: Played) -> None:
    history = play(played)
    for place, parcel in history.parcels.items():
        said = [what for where, what in history.said if where == place]
        once = [what for what in said if not isinstance(what, Raised)]
        assert max(Counter(once).values()) == 1
        assert said[0] is Said.CREATED
        ends = [what for what in once if what in ENDS]
        assert len(ends) <= 1
        assert [ENDS[what] for what in ends] == ([parcel.end] if parcel.end in ENDS.values() else [])
        if ends:
            assert said[-1] is ends[0]
        if len(said) > 1:
            assert said[1] in (Said.DISPATCHED, Said.SHORT_PICKED)
        assert (Said.DISPATCHED in once) == (parcel.stage is Stage.DISPATCHED)
        scans = [what.scan.scan_id for what in said if isinstance(what, Raised)]
        assert len(scans) == len(set(scans))


@given(histories())
def test_what_was_dispatched_is_never_cancelled_and_only_short_picks_miss_units(played: Played) -> None:
    history = play(played)
    for place, parcel in history.parcels.items():
        said = [what for where, what in history.said if where == place]
        if parcel.end is End.CANCELLED:
            assert parcel.stage is Stage.CREATED
            assert Said.DISPATCHED not in said
        assert bool(parcel.not_found) == (Said.SHORT_PICKED in said)


@given(histories())
def test_everything_may_happen_twice(played: Played) -> None:
    places, events = played
    once, twice = History(places), History(places)
    for event in events:
        once.play(event)
        twice.play(event)
        twice.play(event)
    assert twice.parcels == once.parcels
    assert twice.said == once.said
    assert [answer.answer for answer in twice.answers] == [answer.answer for answer in once.answers]
