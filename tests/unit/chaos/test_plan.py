"""What a chaos run will do."""

from collections import Counter

import pytest

from tests.chaos.faults import FAULTS
from tests.chaos.plan import LASTING, QUICK, planned


def test_the_long_form_strikes_often_enough() -> None:
    plan = planned(1, short=False, only=[], rounds=None)
    counts = Counter([*plan.alone, *plan.together])
    assert counts.keys() == FAULTS.keys()
    for kind, fault in FAULTS.items():
        assert counts[kind] >= (LASTING if fault.lasting else QUICK)
        assert kind in plan.alone, "each first without others"


def test_the_short_form_is_quick_and_fits_into_three_minutes() -> None:
    plan = planned(1, short=True, only=[], rounds=None)
    assert not any(FAULTS[kind].lasting for kind in (*plan.alone, *plan.together))
    assert plan.warm_ups * plan.warm_up + plan.calm + plan.seconds <= 150


def test_the_same_seed_is_the_same_plan() -> None:
    assert planned(7, short=False, only=[], rounds=None) == planned(7, short=False, only=[], rounds=None)
    assert planned(7, short=False, only=[], rounds=None) != planned(8, short=False, only=[], rounds=None)


def test_chosen_kinds_strike_as_often_as_asked() -> None:
    plan = planned(1, short=False, only=["poison", "copies"], rounds=2)
    assert Counter(plan.alone) == {"poison": 2, "copies": 2}
    assert set(plan.together) == {"poison", "copies"}
    assert not planned(1, short=False, only=["poison", "copies"], rounds=2, apart=True).together


def test_an_unknown_kind_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="no such fault: floods; there are process-killed"):
        planned(1, short=False, only=["floods"], rounds=None)
