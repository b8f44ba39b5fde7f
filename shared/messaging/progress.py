"""How far each partition was read: what deadlines may rely on, and what still waits."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

_CLOCK_MARGIN = timedelta(seconds=1)
# A fetch answer says what the log held when the broker wrote it, a moment before it was received.
_LOG_APPEND_TIME = 1


class Place(Protocol):
    """One partition of one topic."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Position:
    """How far one partition was read: everything appended before `until` was handled, `next_offset` is next."""

    topic: str
    partition: int
    until: datetime
    next_offset: int


@dataclass(frozen=True, slots=True)
class Lag:
    """What one partition holds for us: records, the age of the oldest, since when it stands still (seconds)."""

    records: int
    oldest: float
    still: float


@dataclass(frozen=True, slots=True)
class Done:
    """The next offset of a partition, the append time of the record before it (0: not known), and since when."""

    next_offset: int
    appended_ms: int
    at: float


class Progress:
    """What one process has read of the partitions it is assigned. `done` holds those that are open for reading."""

    def __init__(self, prefix: str) -> None:
        self.done: dict[Any, Done] = {}
        self.in_hand: Mapping[Any, Sequence[Any]] = {}
        self._prefix = prefix

    def opened(self, starts: Mapping[Any, int]) -> None:
        """These partitions are read from these offsets on."""
        now = time.monotonic()
        self.done = {place: Done(offset, 0, now) for place, offset in starts.items()}

    def settled(self) -> None:
        """The batch in hand is handled, wherever its partitions are still ours."""
        now = time.monotonic()
        for place, records in self.in_hand.items():
            if place in self.done:
                last = records[-1]
                # Producers' clocks vouch for nothing.
                appended_ms = last.timestamp if last.timestamp_type == _LOG_APPEND_TIME else 0
                self.done[place] = Done(last.offset + 1, appended_ms, now)

    def passed_over(self, offsets: Mapping[Any, int]) -> None:
        """Up to these offsets there was nothing to hand out."""
        now = time.monotonic()
        for place, offset in offsets.items():
            if place in self.done:
                self.done[place] = Done(offset, self.done[place].appended_ms, now)

    def jumps(self, starts: Mapping[Any, int]) -> dict[Any, int]:
        """Of these next offsets those that leave a gap: partition -> first offset that was not read."""
        return {
            p: self.done[p].next_offset for p, offset in starts.items() if offset > self.done[p].next_offset
        }

    def unread(self, ends: Mapping[Any, int]) -> int:
        """Records before these ends that were not handled; a partition that was never opened counts whole."""
        return sum(
            max(0, end - (self.done[p].next_offset if p in self.done else 0)) for p, end in ends.items()
        )

    def lag(self, highwater: Callable[[Any], int | None]) -> dict[tuple[str, int], Lag]:
        """Per (topic, partition) what waits; as fresh as the last fetch."""
        now, now_ms = time.monotonic(), time.time() * 1000
        lag = {}
        for place, done in self.done.items():
            end = highwater(place)
            if end is None:
                continue
            behind = max(0, end - done.next_offset)
            batch = self.in_hand.get(place)
            oldest_ms = batch[0].timestamp if batch else done.appended_ms
            age = max(0.0, (now_ms - oldest_ms) / 1000) if behind and oldest_ms else 0.0
            lag[self._own(place)] = Lag(behind, age, now - done.at if behind else 0.0)
        return lag

    def positions(
        self, highwater: Callable[[Any], int | None], polled_ms: Callable[[Any], int | None]
    ) -> list[Position]:
        """How far every open partition was consumed: lower bounds. One read to its end was so when last polled."""
        found = []
        for place, done in self.done.items():
            until = datetime.fromtimestamp(done.appended_ms / 1000, UTC)
            polled = polled_ms(place)
            if polled and highwater(place) == done.next_offset:
                until = max(until, datetime.fromtimestamp(polled / 1000, UTC) - _CLOCK_MARGIN)
            found.append(Position(*self._own(place), until, done.next_offset))
        return found

    def _own(self, place: Place) -> tuple[str, int]:
        return place.topic[len(self._prefix) :], place.partition
