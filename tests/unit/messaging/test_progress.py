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
    assert claimed(progress, highwater=9) == Position("orders", 0, datetime.fromtimestamp(0, UTC), None, 5)


def test_a_batch_counts_when_it_is_settled_not_when_it_is_in_hand() -> None:
    progress = Progress("x.")
    progress.opened({P: 5})
    progress.in_hand = {P: [Kept(5, NOW_MS - 60 * SECOND), Kept(6, NOW_MS - 30 * SECOND)]}
    assert claimed(progress, highwater=9).next_offset == 5
    lag = progress.lag(lambda _: 9)["orders", 0]
    assert lag.records == 4 and lag.oldest >= 60
    progress.settled()
    assert claimed(progress, highwater=9) == Position("orders", 0, NOW - timedelta(seconds=30), None, 7)


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_read_to_the_end_it_was_so_when_the_last_answer_was_asked_for() -> None:
    clock = Clock()
    progress = Progress("x.", clock)
    progress.opened({P: 7})
    assert claimed(progress, highwater=7, polled=1).idle is None, "that answer may be of any age"
    clock.now = 1_002
    assert claimed(progress, highwater=7, polled=2).idle is None, (
        "asked for after the first, but when did that come?"
    )
    clock.now = 1_004
    assert claimed(progress, highwater=7, polled=3).idle == 4, (
        "asked for after the second, which the look at 1000 missed"
    )
    clock.now = 1_006
    assert claimed(progress, highwater=7, polled=4).idle == 4
    clock.now = 1_106
    assert claimed(progress, highwater=7, polled=4).idle == 104, "no answer: it only grows older"
    assert claimed(progress, highwater=8, polled=5).idle is None, "there is more"


def test_an_answer_that_lay_while_the_process_was_frozen_is_as_old_as_its_question() -> None:
    clock = Clock()
    progress = Progress("x.", clock)
    progress.opened({P: 7})
    for second in (0, 2, 4):
        clock.now = 1_000.0 + second
        claimed(progress, highwater=7, polled=second + 1)
    clock.now = 1_100
    frozen = claimed(progress, highwater=7, polled=100_000)
    assert frozen.idle == 98, "its stamp is new, what it says is not"


def test_a_clock_that_jumps_claims_nothing() -> None:
    clock = Clock()
    progress = Progress("x.", clock)
    progress.opened({P: 7})
    for second, stamp in ((0, 1), (2, 3_600_001), (4, 3_602_001), (6, 3)):
        clock.now = 1_000.0 + second
        position = claimed(progress, highwater=7, polled=stamp)
        assert position.until(NOW) <= NOW - timedelta(seconds=1)
    assert position.until(NOW) == NOW - timedelta(seconds=4 + 1)


def test_partitions_that_come_again_vouch_for_nothing_at_first() -> None:
    clock = Clock()
    progress = Progress("x.", clock)
    progress.opened({P: 7})
    for second in (0, 2, 4):
        clock.now = 1_000.0 + second
        claimed(progress, highwater=7, polled=second + 1)
    clock.now = 1_100
    progress.opened({P: 7})
    assert claimed(progress, highwater=7, polled=50).idle is None
    clock.now = 1_102
    assert claimed(progress, highwater=7, polled=51).idle == 98, "since the last look at its first time here"


def test_a_producers_clock_vouches_for_nothing() -> None:
    progress = Progress("x.")
    progress.opened({P: 0})
    progress.in_hand = {P: [Kept(0, NOW_MS + 10**9, timestamp_type=0)]}
    progress.settled()
    assert claimed(progress, highwater=9).until(NOW) == datetime.fromtimestamp(0, UTC)


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
