"""Orders as a channel sends them: one catalogue for every system measured."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tests.bench.load.settings import Workload

CHANNEL = "shop"
PLACES = ("place-a", "place-b", "place-c")
SPREAD = tuple(f"SKU-{number:04}" for number in range(200))
SPLIT = tuple((f"SPLIT-{place[-1]}-{number:03}", place) for place in PLACES for number in range(60))
"""SKUs that lie at one place only."""
SCARCE = "SKU-SCARCE"
"""A SKU of the catalogue that no place has."""
PLENTY = 50_000_000

_CITIES = (
    ("Berlin", "10115", "DE"), ("Hamburg", "20095", "DE"), ("Lyon", "69001", "FR"), ("Madrid", "28001", "ES"),
    ("Milano", "20121", "IT"), ("Utrecht", "3511", "NL"), ("Graz", "8010", "AT"), ("Porto", "4000", "PT"),
)  # fmt: skip

Fate = Literal["ship", "reject", "cancel early", "cancel late"]


@dataclass(slots=True)
class Order:
    """An order under way, as its channel knows it."""

    external_id: str
    total: int
    fate: Fate
    parcels: int
    """Parcels not heard of yet."""
    started: float
    """`time.perf_counter` when it was due."""
    order_id: str = ""


class Maker:
    """Makes the orders of one run; the same run makes the same orders."""

    def __init__(self, run: str, workload: Workload) -> None:
        self._run = run
        self._workload = workload
        self._random = random.Random(run)
        self.made = 0

    def make(self, started: float) -> tuple[Order, dict[str, Any]]:
        """The next order and its body, as `order.submitted` and `POST /orders` take it."""
        external_id = f"{self._run}-{self.made}"
        self.made += 1
        fate = self._fate()
        lines = [self._line(number, sku) for number, sku in enumerate(self._skus(fate))]
        shipping = 490
        total = sum(line["total"] for line in lines) + shipping
        city, postal_code, country = self._random.choice(_CITIES)
        body = {
            "channel": CHANNEL,
            "external_id": external_id,
            "contact": {"name": "Alex Muster", "email": f"{external_id}@example.com", "locale": "en"},
            "address": {
                "name": "Alex Muster", "street": f"Main street {self.made % 200}", "city": city,
                "postal_code": postal_code, "country": country,
            },
            "lines": lines,
            "shipping": shipping,
            "total": total,
            "currency": "EUR",
            "prices_include_tax": True,
        }  # fmt: skip
        return Order(external_id, total, fate, self._workload.parcels, started), body

    def _fate(self) -> Fate:
        chance = self._random.random()
        if chance < self._workload.scarce_share:
            return "reject"
        if chance < self._workload.scarce_share + self._workload.cancel_share:
            return "cancel early" if self.made % 2 else "cancel late"
        return "ship"

    def _skus(self, fate: Fate) -> list[str]:
        lines = self._workload.lines
        if fate == "reject":
            return [SCARCE] * lines
        if self._workload.skus == "hot":
            return [SPREAD[0]] * lines
        if self._workload.skus == "split":
            per_place = len(SPLIT) // len(PLACES)
            return [
                SPLIT[number % len(PLACES) * per_place + self._random.randrange(per_place)][0]
                for number in range(lines)
            ]
        return self._random.sample(SPREAD, lines)

    def _line(self, number: int, sku: str) -> Mapping[str, Any]:
        quantity = self._random.choice((1, 1, 1, 2))
        return {
            "line_id": str(number + 1), "sku": sku, "title": "A thing that people order", "quantity": quantity,
            "unit_price": 1990, "tax": 318 * quantity, "total": 1990 * quantity,
        }  # fmt: skip
