"""How fast what happens: counts per quarter of a second, and when a rate was back after a fault."""

import time
from collections import defaultdict
from collections.abc import Mapping

BIN = 0.25
"""Seconds of one bin."""
BACK = 0.9
"""Share of the usual rate at which a fault counts as recovered from."""
_FEWEST = 20
"""Events that a window should hold, so that chance does not decide."""
_SHORTEST, _LONGEST = 2.0, 20.0
"""Seconds of a window."""

OF = {
    "orders": "order.placed",
    "inventory": "stock.reserved",
    "fulfillment": "shipment.created",
    "returns": "return.authorized",
    "notifications": "notification.sent",
}
"""What each service says most."""
WHOLE = "shipment.created"
"""What an order has come to when it went through orders, inventory, orders and fulfilment."""


class Pulse:
    """Counts events by name since it was made."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self._bins: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        self.usual: Mapping[str, float] = {}
        """Events per second while nothing is wrong, by name."""

    @property
    def now(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self.began

    def note(self, name: str) -> None:
        """It happened now."""
        self._bins[name][int(self.now / BIN)] += 1

    def count(self, name: str, since: float, until: float) -> int:
        """How often between two moments, to a bin."""
        bins = self._bins[name]
        return sum(bins.get(number, 0) for number in range(round(since / BIN), round(until / BIN)))

    def series(self, name: str, seconds: float = 1.0) -> list[float]:
        """Events per second, for each so many seconds since the beginning."""
        steps = range(int(self.now / seconds))
        return [self.count(name, n * seconds, (n + 1) * seconds) / seconds for n in steps]

    def at_rate(self, rate: float, ended: int) -> None:
        """What is usual when so many orders come per second: what the orders ended so far gave rise to, each."""
        self.usual = {name: rate * sum(bins.values()) / max(1, ended) for name, bins in self._bins.items()}

    def back(self, name: str, since: float, looked: float = 0.0) -> float | None:
        """Seconds from a moment until a window began in which the rate was back, if that was so by now.

        What was over at the moment `looked` was looked at before and is not again.
        """
        usual = self.usual.get(name, 0.0)
        if not usual:
            return 0.0
        window = min(_LONGEST, max(_SHORTEST, _FEWEST / usual))
        start = since + max(0, int((looked - window - since) / BIN)) * BIN
        while start + window <= self.now:
            if self.count(name, start, start + window) >= BACK * usual * window:
                return start - since
            start += BIN
        return None
