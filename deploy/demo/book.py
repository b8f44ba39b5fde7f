"""What was submitted and what became of it, as another system sees it: the other side of every claim."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from deploy.demo.datasets.model import Sale, Unusable
from deploy.demo.players.customers import Moment

Name = tuple[str, str]
"""An order's name outside: channel and external id."""


@dataclass(slots=True)
class Open:
    """An order that was submitted and is not over."""

    sale: Sale
    since: float
    cancel: Moment | None = None
    cancel_reason: str = "changed mind"
    order_id: str | None = None
    reached: set[Moment] = field(default_factory=set)
    waits_for_payer: bool = False
    back: dict[str, int] = field(default_factory=dict)
    """Units per line that the data set says come back."""
    timed: bool = False


class Book:
    """Open orders, at most `most` of them, and what is left to say of those that are over: a few bytes each."""

    def __init__(self, most: int) -> None:
        self._slots = asyncio.Semaphore(most)
        self._by_name: dict[Name, Open] = {}
        self._by_id: dict[str, Open] = {}
        self.accepted: dict[Name, str] = {}
        """Our order id by name."""
        self.refused: dict[Name, str] = {}
        self.cancelled: set[Name] = set()
        self.doubtful: set[Name] = set()
        """Orders that nobody asked for again when no answer came, while nothing is heard of them."""
        self.submitted = 0
        self.duplicates = 0
        self.reasons: Counter[str] = Counter()
        """Why submissions were refused."""
        self.seen: Counter[str] = Counter()
        """Events heard, by topic."""
        self.told: Counter[str] = Counter()
        """What went another way than usual."""
        self.example: str | None = None
        """An order worth looking at: the first of which something came back."""
        self.latencies: list[float] = []
        """Seconds from submission to shipment.created, of orders whose payer did not keep them waiting."""

    async def submit(self, sale: Sale) -> Open:
        """An order goes out; waits while too many are open."""
        await self._slots.acquire()
        order = Open(sale, time.monotonic())
        self._by_name[sale.channel, sale.external_id] = order
        self.submitted += 1
        return order

    def unusable(self, record: Unusable) -> None:
        """A record of the source could not be an order."""
        self.submitted += 1
        self.reasons[record.reason] += 1

    def refuse_again(self, reason: str) -> None:
        """A second submission under a known name was refused."""
        self.reasons[reason] += 1

    def refuse(self, order: Open, reason: str) -> None:
        """The suite did not take an order."""
        name = (order.sale.channel, order.sale.external_id)
        if name in self._by_name:
            self.refused[name] = reason
            self.reasons[reason] += 1
            self._close(order)

    def doubt(self, order: Open) -> None:
        """Nobody will know whether the suite took an order, unless it says so later."""
        name = (order.sale.channel, order.sale.external_id)
        if name not in self.accepted:
            self.doubtful.add(name)

    def accept(self, name: Name, order_id: str) -> Open | None:
        """The suite took an order. Raises AssertionError if it took it before under another id."""
        known = self.accepted.setdefault(name, order_id)
        assert known == order_id, f"order {name} is {known} and {order_id}"
        self.doubtful.discard(name)
        order = self._by_name.get(name)
        if order is not None:
            order.order_id = order_id
            self._by_id[order_id] = order
        return order

    def over(self, order_id: str, name: Name, *, cancelled: bool) -> Open | None:
        """The suite said that an order is over, perhaps before it said that it was placed; None if it was known."""
        if cancelled:
            self.cancelled.add(name)
        order = self.accept(name, order_id)
        if order is not None:
            self._close(order)
        return order

    def _close(self, order: Open) -> None:
        name = (order.sale.channel, order.sale.external_id)
        del self._by_name[name]
        self.doubtful.discard(name)
        if order.order_id is not None:
            self._by_id.pop(order.order_id, None)
        self._slots.release()

    def find(self, order_id: str) -> Open | None:
        """An open order by our id."""
        return self._by_id.get(order_id)

    def named(self, name: Name) -> Open | None:
        """An open order by its name."""
        return self._by_name.get(name)

    @property
    def open(self) -> int:
        """How many orders are not over, those aside that may never have begun."""
        return len(self._by_name) - len(self.doubtful)

    @property
    def refusals(self) -> int:
        """Submissions that were refused, by us or before."""
        return self.reasons.total()

    def percentiles(self, of: Iterable[int]) -> dict[int, float]:
        """Milliseconds within which so many percent of the timed orders had their parcels created."""
        times = sorted(self.latencies)
        return {
            p: round(1000 * times[min(len(times) - 1, len(times) * p // 100)], 1) if times else 0.0
            for p in of
        }
