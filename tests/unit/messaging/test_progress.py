"""What may be claimed of a partition after each step of reading it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from shared.messaging.progress import Position, Progress


class Place(NamedTuple):
    topic: str
    partition: int


@dataclass
class Kept:
    offset: int
    timestamp: int
    timestamp_type: int = 1


P, Q = Place("x.orders", 0), Place("x.orders", 1)
SECOND = 1_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


def claimed(progress: Progress, highwater: int, polled: int | None = NOW_MS) -> Position:
    [position] = progress.positions(lambda _: highwater, lambda _: polled)
    return position


def test_before_anything_was_read_nothing_is_claimed() -> None:
    progress = Progress("x.")
    assert progress.positions(lambda _: 0, lambda _: NOW_MS) == []
    progress.opened({P: 5})
    assert claimed(progress, highwater=9) == Position("orders", 0, datetime.fromtimestamp(0, UTC), 5)


def test_a_batch_counts_when_it_is_settled_not_when_it_is_in_hand() -> None:
    progress = Progress("x.")
    progress.opened({P: 5})
    progress.in_hand = {P: [Kept(5, NOW_MS - 60 * SECOND), Kept(6, NOW_MS - 30 * SECOND)]}
    assert claimed(progress, highwater=9).next_offset == 5
    lag = progress.lag(lambda _: 9)["orders", 0]
    assert lag.records == 4 and lag.oldest >= 60
    progress.settled()
    assert claimed(progress, highwater=9) == Position("orders", 0, NOW - timedelta(seconds=30), 7)


def test_read_to_the_end_it_was_so_when_last_asked() -> None:
    progress = Progress("x.")
    progress.opened({P: 7})
    assert claimed(progress, highwater=7).until == NOW - timedelta(seconds=1)
    assert claimed(progress, highwater=7, polled=None).until == datetime.fromtimestamp(0, UTC)


def test_a_producers_clock_vouches_for_nothing() -> None:
    progress = Progress("x.")
    progress.opened({P: 0})
    progress.in_hand = {P: [Kept(0, NOW_MS + 10**9, timestamp_type=0)]}
    progress.settled()
    assert claimed(progress, highwater=9).until == datetime.fromtimestamp(0, UTC)


def test_what_was_revoked_meanwhile_is_not_claimed() -> None:
    progress = Progress("x.")
    progress.opened({P: 0, Q: 0})
    progress.in_hand = {P: [Kept(0, NOW_MS)]}
    progress.opened({Q: 3})
    progress.settled()
    progress.passed_over({P: 9})
    assert set(progress.done) == {Q}


def test_gaps_and_markers() -> None:
    progress = Progress("x.")
    progress.opened({P: 5, Q: 5})
    assert progress.jumps({P: 5, Q: 8}) == {Q: 5}
    progress.passed_over({Q: 8})
    assert progress.jumps({Q: 8}) == {}
    assert progress.unread({P: 7, Q: 8, Place("x.never_opened", 0): 3}) == 5
