"""How far each partition was read: what deadlines may rely on, and what still waits."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from shared.value_object import value_object

_CLOCK_MARGIN = timedelta(seconds=1)  # between the broker's clock and the database's
_LOG_APPEND_TIME = 1


class Place(Protocol):
    """One partition of one topic."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...


@value_object
class Position:
    """How far one partition was read: everything up to the append time `handled` was, `next_offset` is next.

    If there was nothing more, that was so `idle` seconds ago at the latest (None: it is not known).
    """

    topic: str
    partition: int
    handled: datetime
    idle: float | None
    next_offset: int

    def until(self, now: datetime) -> datetime:
        """Everything appended before this was handled; `now` is the database's clock when the position was told."""
        if self.idle is None:
            return self.handled
        return max(self.handled, now - timedelta(seconds=self.idle) - _CLOCK_MARGIN)


@value_object
class Lag:
    """What one partition holds for us: records, the age of the oldest, since when it stands still (seconds)."""

    records: int
    oldest: float
    still: float


@value_object
class Done:
    """The next offset of a partition, the append time of the record before it (0: not known), and since when."""

    next_offset: int
    appended_ms: int
    at: float


@value_object
class Polled:
    """The last answer to a fetch: its stamp, the look before it came, and that look of the answer before it."""

    stamp: int
    after: float | None
    sent_after: float | None


class Progress:
    """What one process has read of the partitions it is assigned. `done` holds those that are open for reading.

    No clock that may jump is asked, only `clock`, which never goes back.
    """

    def __init__(self, prefix: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.done: dict[Any, Done] = {}
        self._clock = clock
        self._polled: dict[Any, Polled] = {}
        self._looked: float | None = None
        self.in_hand: Mapping[Any, Sequence[Any]] = {}
        self._prefix = prefix

    def opened(self, starts: Mapping[Any, int]) -> None:
        """These partitions are read from these offsets on."""
        now = self._clock()
        self._polled = {}
        self.done = {place: Done(offset, 0, now) for place, offset in starts.items()}

    def next_offsets(self) -> dict[Any, int]:
        """Where the partitions that are open go on."""
        return {place: done.next_offset for place, done in self.done.items()}

    def settled(self) -> None:
        """The batch in hand is handled, wherever its partitions are still ours."""
        now = self._clock()
        for place, records in self.in_hand.items():
            if place in self.done:
                last = records[-1]
                # Producers' clocks vouch for nothing.
                appended_ms = last.timestamp if last.timestamp_type == _LOG_APPEND_TIME else 0
                self.done[place] = Done(last.offset + 1, appended_ms, now)

    def passed_over(self, offsets: Mapping[Any, int]) -> None:
        """Up to these offsets there was nothing to hand out."""
        now = self._clock()
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
        now, now_ms = self._clock(), time.time() * 1000
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
        """How far every open partition was consumed: lower bounds.

        An answer to a fetch says what the log held at some moment after it was asked for. It may have lain for long,
        as when this process was frozen, and its stamp is by a clock that may jump. But it was asked for when the
        answer before it had come, and hence after the look that did not see that one yet.
        """
        now, found = self._clock(), []
        for place, done in self.done.items():
            stamp, known = polled_ms(place), self._polled.get(place)
            if stamp and (known is None or known.stamp != stamp):
                known = Polled(stamp, self._looked, known.after if known is not None else None)
                self._polled[place] = known
            at_end = known is not None and highwater(place) == done.next_offset
            sure = known.sent_after if known is not None and at_end else None
            handled = datetime.fromtimestamp(done.appended_ms / 1000, UTC)
            idle = now - sure if sure is not None else None
            found.append(Position(*self._own(place), handled, idle, done.next_offset))
        self._looked = now
        return found

    def _own(self, place: Place) -> tuple[str, int]:
        return place.topic[len(self._prefix) :], place.partition
