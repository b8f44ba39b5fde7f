"""The load: the demo's whole company, ordering without end at a given rate, however the services are."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

from deploy.demo.book import Book, Open
from deploy.demo.datasets.generated import Generated
from deploy.demo.datasets.model import Dice, Happening, Sale, Stock
from deploy.demo.play import Play
from deploy.demo.quiet import Quiet
from deploy.demo.services import Http
from shared.contracts.envelope import Event
from tests.chaos.pulse import Pulse
from tests.chaos.tap import PLANTED

MOST_OPEN = 5_000
"""Orders that may be open at once: what comes in two minutes of an outage waits, what comes in ten does not."""
_WARMING_UP = 100
"""Orders that are open while everybody goes as fast as they can."""
_CATALOGUE_ORDERS = 300
_PLENTY = 1_000
_SCARCE = 0.01
"""Share of articles that sell out, so that orders fight for the last units."""


class Flow(Generated):
    """Orders until somebody says that it is enough. Of most articles there is plenty; a few sell out."""

    name = "endless"
    story = "Generated orders at a steady rate."

    def __init__(self, seed: int) -> None:
        super().__init__(_CATALOGUE_ORDERS, seed)
        self.enough = False
        self._dice = Dice(seed)

    def count(self) -> int:
        """So many so far."""
        return self.read

    def stock(self) -> Iterator[Stock]:
        """As for a few hundred orders, and a thousand times that of what is not scarce."""
        for stock in super().stock():
            scarce = self._dice.happens("scarce", stock.sku, _SCARCE)
            yield stock if scarce else replace(stock, quantity=stock.quantity * _PLENTY)

    def happenings(self) -> Iterator[Happening]:
        """One order after the other."""
        while not self.enough:
            self.read += 1
            yield self._sale(self.read)


class Paced(Book):
    """A book that takes orders at a rate, or, while there is none, as fast as others end."""

    def __init__(self, pulse: Pulse) -> None:
        super().__init__(MOST_OPEN)
        self._pulse = pulse
        self._rate: float | None = None
        self._due = 0.0

    @property
    def rate(self) -> float | None:
        """Orders per second."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self._rate = rate
        self._due = time.monotonic()

    async def submit(self, sale: Sale) -> Open:
        """An order goes out when it is due."""
        if self._rate is None:
            while self.open >= _WARMING_UP:
                await asyncio.sleep(0.02)
        else:
            # What could not be sent while this process was busy is made up for, but not more than a second's orders.
            self._due = max(self._due + 1 / self._rate, time.monotonic() - 1)
            await asyncio.sleep(self._due - time.monotonic())
        self._pulse.note("submitted")
        return await super().submit(sale)


class Shop(Play):
    """The play of the demo, hearing each message once however often it is said, and counting."""

    def __init__(
        self, flow: Flow, http: Http, bootstrap: str, prefix: str, seed: int, quiet: Quiet, pulse: Pulse,
        standstill: float,
    ) -> None:  # fmt: skip
        self.paced = Paced(pulse)
        super().__init__(flow, http, bootstrap, prefix, seed, quiet, book=self.paced, standstill=standstill)
        self._pulse = pulse
        self._heard: set[tuple[str, str]] = set()
        self.copies = 0
        """Messages that were heard again."""

    async def _hear(self, model: type[Event], body: bytes, headers: Mapping[str, str]) -> None:
        if PLANTED in headers:
            return
        name = (headers["ce_source"], headers["ce_id"])
        if name in self._heard:
            self.copies += 1
            return
        self._heard.add(name)
        self._pulse.note(model.topic)
        await super()._hear(model, body, headers)
