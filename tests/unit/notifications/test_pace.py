"""The rate limit gives out moments, never two of them too close."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.notifications.domain.pace import WINDOW, free_slots

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


def test_an_idle_pace_begins_now_and_gives_out_one_window() -> None:
    slots = free_slots(NOW - timedelta(hours=1), NOW, 20, 1000)
    assert (slots.start, slots.count, slots.spacing) == (NOW, 100, timedelta(milliseconds=50))
    assert slots.end == NOW + WINDOW
    assert slots.take(3).end == NOW + timedelta(milliseconds=150)


def test_what_is_given_out_is_not_given_out_again() -> None:
    assert free_slots(NOW + WINDOW, NOW, 20, 1000).count == 0
    assert free_slots(NOW + WINDOW / 2, NOW, 20, 1000).start == NOW + WINDOW / 2


def test_a_slow_pace_still_moves() -> None:
    assert free_slots(NOW, NOW, 0.01, 10).count == 1
    assert free_slots(NOW + timedelta(seconds=1), NOW, 0.01, 10).count == 0


@given(
    rate=st.floats(0.05, 500),
    asks=st.lists(st.tuples(st.floats(0, 3), st.integers(1, 50), st.floats(0, 1)), max_size=40),
)
def test_moments_are_never_closer_than_the_rate_allows(
    rate: float, asks: list[tuple[float, int, float]]
) -> None:
    now, next_at, moments = NOW, NOW, []
    for later, limit, used in asks:
        now += timedelta(seconds=later)
        slots = free_slots(next_at, now, rate, limit)
        taken = slots.take(round(slots.count * used))
        moments += [taken.start + taken.spacing * number for number in range(taken.count)]
        if taken.count:
            next_at = taken.end
    spacing = timedelta(seconds=1 / rate)
    for one, other in pairwise(moments):
        assert other - one >= spacing - timedelta(microseconds=1)
