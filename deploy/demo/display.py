"""What people watch while the demo plays: a live table on a terminal, a plain line every few seconds elsewhere."""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from deploy.demo.book import Book
from deploy.demo.datasets.model import Dataset
from deploy.demo.services import Http
from deploy.local.settings import SERVICES

_REFRESH = 0.5
_ASK = 2.0
"""Seconds between two looks at the metrics, which cost the services something to tell."""
_PLAIN = 5.0
_COUNTED = {
    "placed": "order.placed",
    "reserved": "stock.reserved",
    "confirmed": "order.confirmed",
    "shipped": "shipment.dispatched",
    "delivered": "shipment.delivered",
    "returned": "return.received",
    "refunded": "refund.issued",
    "mails": "notification.sent",
}
"""Column -> the topic that is counted for it."""


@dataclass
class Gauges:
    """What the services say of themselves: messages to read, rows to send."""

    lag: dict[str, float | None] = field(default_factory=dict)
    outbox: dict[str, float | None] = field(default_factory=dict)


class Display:
    """Shows the book as it fills."""

    def __init__(self, book: Book, http: Http, console: Console, dataset: Dataset) -> None:
        self._book = book
        self._http = http
        self._console = console
        self._dataset = dataset
        self._total = dataset.count()
        self._started = time.monotonic()
        self._gauges = Gauges()
        self._ask_at = 0.0

    async def run(self) -> None:
        """Show until cancelled."""
        if self._console.is_terminal:
            with Live(console=self._console, auto_refresh=False, transient=True) as live:
                while True:
                    await self._ask()
                    live.update(self._picture(), refresh=True)
                    await asyncio.sleep(_REFRESH)
        while True:
            await self._ask()
            self._console.print(self._line(), highlight=False, soft_wrap=True)
            await asyncio.sleep(_PLAIN)

    async def _ask(self) -> None:
        if time.monotonic() < self._ask_at:
            return
        self._ask_at = time.monotonic() + _ASK
        for service in SERVICES:
            metrics = await self._http.text(service, "/metrics")
            self._gauges.lag[service] = total(metrics, "oms_consumer_lag_records")
            self._gauges.outbox[service] = total(metrics, "oms_outbox_rows")

    @property
    def elapsed(self) -> float:
        """Seconds since the first order could be sent."""
        return time.monotonic() - self._started

    def _counts(self) -> dict[str, int]:
        return {name: self._book.seen[topic] for name, topic in _COUNTED.items()}

    def _rate(self) -> float:
        return self._book.seen["order.placed"] / max(0.1, self.elapsed)

    def _picture(self) -> Group:
        counts = Table(box=None, pad_edge=False, padding=(0, 2))
        for name in _COUNTED:
            counts.add_column(name, justify="right")
        counts.add_row(*(f"{count:,}" for count in self._counts().values()))
        services = Table(box=None, pad_edge=False, padding=(0, 2))
        for name in ("", *SERVICES):
            services.add_column(name, justify="right")
        services.add_row("to read", *(figure(self._gauges.lag.get(name)) for name in SERVICES))
        services.add_row("to send", *(figure(self._gauges.outbox.get(name)) for name in SERVICES))
        return Group(Text(self._head()), Text(), counts, Text(), services)

    def _head(self) -> str:
        times = self._book.percentiles((50, 95))
        return (
            f"{self._dataset.read:,} of {self._total:,} orders, {self._book.open:,} under way, "
            f"{self._rate():.0f} orders/s, to parcels created p50 {times[50]:.0f} ms p95 {times[95]:.0f} ms, "
            f"{self.elapsed:.0f} s"
        )

    def _line(self) -> str:
        counts = ", ".join(f"{name} {count}" for name, count in self._counts().items())
        lag = sum(value or 0 for value in self._gauges.lag.values())
        outbox = sum(value or 0 for value in self._gauges.outbox.values())
        return f"{self._head()}: {counts}; to read {lag:.0f}, to send {outbox:.0f}"


def total(metrics: str, name: str) -> float | None:
    """The sum of a metric's series, or None where it is not told."""
    values = re.findall(rf"^{name}(?:\{{.*\}})? (\S+)", metrics, re.MULTILINE)
    return sum(map(float, values)) if values else None


def figure(value: float | None) -> str:
    """A number, or a dash where there is none."""
    return "-" if value is None else f"{value:,.0f}"


def shown(values: Mapping[str, object]) -> Table:
    """Two columns: what, and how much."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    for name, value in values.items():
        table.add_row(name, f"{value:,}" if isinstance(value, int | float) else str(value))
    return table
