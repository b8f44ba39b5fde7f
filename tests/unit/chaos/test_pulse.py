"""When a rate counts as back."""

import pytest

from tests.chaos import pulse
from tests.chaos.pulse import Pulse


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set by the test."""
    moment = [100.0]
    monkeypatch.setattr(pulse.time, "monotonic", lambda: moment[0])
    return moment


def beat(counts: Pulse, now: list[float], since: float, until: float, per_second: int) -> None:
    for second in range(int(since), int(until)):
        for event in range(per_second):
            now[0] = 100.0 + second + event / per_second
            counts.note("x")
    now[0] = 100.0 + until


def test_back_is_the_first_window_with_nearly_the_usual_rate(now: list[float]) -> None:
    counts = Pulse()
    beat(counts, now, 0, 20, 10)
    counts.at_rate(10.0, ended=200)
    assert counts.usual == {"x": 10.0}
    assert counts.back("x", 5.0) == 0.0, "nothing was missing"
    beat(counts, now, 25, 30, 10)
    assert counts.back("x", 20.0) == pytest.approx(4.75), "windows are two seconds, and 90 % will do"


def test_as_long_as_the_rate_is_lower_it_is_not_back(now: list[float]) -> None:
    counts = Pulse()
    beat(counts, now, 0, 20, 10)
    counts.at_rate(10.0, ended=200)
    beat(counts, now, 20, 40, 8)
    assert counts.back("x", 20.0) is None


def test_rare_events_are_looked_at_for_longer(now: list[float]) -> None:
    counts = Pulse()
    beat(counts, now, 0, 20, 1)
    counts.at_rate(1.0, ended=20)
    beat(counts, now, 20, 39, 1)
    assert counts.back("x", 20.0) is None, "twenty events are wanted"
    beat(counts, now, 39, 40, 1)
    assert counts.back("x", 20.0) == 0.0


def test_rates_are_of_orders_that_ended(now: list[float]) -> None:
    counts = Pulse()
    beat(counts, now, 0, 10, 30)
    counts.at_rate(5.0, ended=100)
    assert counts.usual["x"] == 15.0, "three per order, five orders per second"


def test_what_was_looked_at_is_not_looked_at_again_and_nothing_is_overlooked(now: list[float]) -> None:
    counts = Pulse()
    beat(counts, now, 0, 20, 10)
    counts.at_rate(10.0, ended=200)
    found, looked = [], 20.0
    for second in range(20, 40):
        beat(counts, now, second, second + 1, 2 if second < 30 else 10)
        found.append(counts.back("x", 20.0, looked))
        looked = float(second + 1)
    first = next(back for back in found if back is not None)
    assert first == counts.back("x", 20.0) == pytest.approx(9.75)
