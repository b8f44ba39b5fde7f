"""The rate limit: moments at which one more mail may go out, shared by all processes."""

from datetime import datetime, timedelta

from shared.value_object import value_object

WINDOW = timedelta(seconds=5)
"""How far ahead moments are given out, so that no process takes more than it can soon use."""


@value_object
class Slots:
    """`count` moments from `start` on, `spacing` apart."""

    count: int
    start: datetime
    spacing: timedelta

    @property
    def end(self) -> datetime:
        """The first moment that is nobody's yet."""
        return self.start + self.spacing * self.count

    def take(self, count: int) -> "Slots":
        """The first `count` of them."""
        return Slots(count, self.start, self.spacing)


def free_slots(next_at: datetime, now: datetime, per_second: float, limit: int) -> Slots:
    """The moments, at most `limit`, that may be given out now when `next_at` is the first free one.

    At least one if that moment has come, however slow the pace.
    """
    spacing = timedelta(seconds=1 / per_second)
    start = max(next_at, now)
    count = int((now + WINDOW - start) / spacing)
    if next_at <= now:
        count = max(count, 1)
    return Slots(max(0, min(count, limit)), start, spacing)
