"""Orders from chance, shaped by published facts of real shops. The same seed gives the same orders.

Facts, and where they come from (measured on the two sets that the demo can also replay; nothing is copied):

- Consumers, from the Olist marketplace (29,355 orders): 96.9 % have one line, 2.8 % two; 92.9 % of lines are for one
  unit, 5.4 % for two; prices are log-normal with sigma 0.94; freight is a fifth of the median price, sigma 0.63; 3 %
  of orders are paid in several parts; of payments 73 % are credit cards, 19 % bank slips that are paid later, 7 %
  vouchers, 1 % debit cards.
- Wholesalers, from UCI Online Retail (12,494 invoices): the median invoice has 15 lines, 90 % have at most 51
  (log-normal, sigma 0.96); quantities are mostly 1, 2, 12, 6, 4, 3, 24 and 10.
- Popularity: a tenth of the articles makes 43 % (Olist) to 45 % (Online Retail) of the lines, the top hundredth 10 % to
  16 %: a Zipf law with exponent 0.75, drawn without repeats within an order, lies between.
- Cities by their population (Eurostat city statistics and national offices, thousands, rounded).
- Shares of cancellations and returns: see `Habits`.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import accumulate
from math import log
from random import Random
from typing import Any

from deploy.demo.datasets.model import Habits, Happening, How, Payment, Product, Sale, Stock
from deploy.demo.datasets.olist import prepaid
from deploy.demo.datasets.people import contact
from shared.contracts.envelope import Address
from shared.contracts.inventory import Place

_SKUS = 1_000
_ZIPF = 0.75
_MEDIAN_PRICE, _PRICE_SIGMA = 25_00, 0.94
_MEDIAN_FREIGHT, _FREIGHT_SIGMA = 5_40, 0.63
_WHOLESALE_SHARE = 0.15
_MEDIAN_LINES, _LINES_SIGMA, _MOST_LINES = 15, 0.96, 300
_CONSUMER_LINES = ((1, 96.9), (2, 2.8), (3, 0.2), (4, 0.1))
_CONSUMER_UNITS = ((1, 92.9), (2, 5.4), (3, 1.0), (4, 0.4), (6, 0.3))
_WHOLESALE_UNITS = (
    (1, 28),
    (2, 15),
    (12, 11),
    (6, 8),
    (4, 7),
    (3, 7),
    (24, 4),
    (10, 4),
    (8, 3),
    (5, 2),
    (48, 1),
)
_METHODS: tuple[tuple[tuple[str, How], float], ...] = (
    (("credit_card", "authorize"), 73.1), (("bank_transfer", "later"), 18.8), (("voucher", "prepaid"), 6.7),
    (("debit_card", "sale"), 1.4),
)  # fmt: skip
_PAID_IN_PARTS = 0.03
_UNKNOWN_SKU, _FAULTY, _DISCOUNTED, _SCARCE = 0.002, 0.005, 0.08, 0.01
_FIRST_ORDER = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)

# (city, country, thousands of people, latitude, longitude)
_CITIES = (
    ("Berlin", "DE", 3_700, 52.52, 13.40), ("Hamburg", "DE", 1_890, 53.55, 9.99),
    ("München", "DE", 1_510, 48.14, 11.58), ("Köln", "DE", 1_080, 50.94, 6.96),
    ("Leipzig", "DE", 610, 51.34, 12.37), ("Paris", "FR", 2_100, 48.86, 2.35),
    ("Marseille", "FR", 870, 43.30, 5.37), ("Lyon", "FR", 520, 45.76, 4.84), ("Madrid", "ES", 3_280, 40.42, -3.70),
    ("Barcelona", "ES", 1_640, 41.39, 2.17), ("Valencia", "ES", 790, 39.47, -0.38), ("Roma", "IT", 2_750, 41.90, 12.50),
    ("Milano", "IT", 1_350, 45.46, 9.19), ("Napoli", "IT", 910, 40.85, 14.27), ("Amsterdam", "NL", 920, 52.37, 4.90),
    ("Rotterdam", "NL", 660, 51.92, 4.48), ("Wien", "AT", 1_980, 48.21, 16.37), ("Bruxelles", "BE", 1_220, 50.85, 4.35),
    ("Lisboa", "PT", 550, 38.72, -9.14), ("Dublin", "IE", 590, 53.35, -6.26),
)  # fmt: skip

# (place, kind, city, share of the articles it keeps, weight of its part of their units)
_PLACES = (
    ("wh-hamburg", "warehouse", "Hamburg", 0.95, 5), ("wh-lyon", "warehouse", "Lyon", 0.85, 4),
    ("wh-madrid", "warehouse", "Madrid", 0.60, 2), ("store-berlin", "store", "Berlin", 0.15, 1),
    ("store-milano", "store", "Milano", 0.15, 1), ("3pl-rotterdam", "third_party", "Rotterdam", 0.40, 2),
)  # fmt: skip


class Generated:
    """So many orders of a shop, a marketplace and a phone desk."""

    name = "generated"
    story = (
        "Generated orders (people, articles and places are made up) with the shape of published order data."
    )
    habits = Habits()

    def __init__(self, orders: int, seed: int) -> None:
        self._orders = orders
        self._seed = seed
        self.told: Counter[str] = Counter()
        self.read = 0

    def count(self) -> int:
        """As many as were asked for."""
        return self._orders

    def products(self) -> Iterator[Product]:
        """Articles with a weight and sizes, except a few where nobody measured."""
        for number in range(_SKUS):
            chance = self._chance("product", number)
            measured = chance.random() > 0.03
            size = tuple(int(10 * chance.lognormvariate(log(20), 0.5)) for _ in range(3))
            weight = max(5, int(chance.lognormvariate(log(700), 1.1)))
            sku = _sku(number)
            yield Product(sku, f"Article {sku}", weight if measured else None, size if measured else None)  # type: ignore[arg-type]

    def places(self) -> Iterator[Place]:
        """Three warehouses, two stores, one third party."""
        where = {city: (country, latitude, longitude) for city, country, _, latitude, longitude in _CITIES}
        for place, kind, city, _, _ in _PLACES:
            country, latitude, longitude = where[city]
            address = Address(city=city, country=country, latitude=latitude, longitude=longitude)
            yield Place(place_id=place, kind=kind, name=f"{city}", address=address)  # type: ignore[arg-type]

    def stock(self) -> Iterator[Stock]:
        """A quarter more than will be sold, in one to six places; of one article in a hundred too little."""
        wanted: Counter[str] = Counter()
        for number in range(self._orders):
            for line in self._body(number)["lines"]:
                wanted[line["sku"]] += line["quantity"]
        for number in range(_SKUS):
            sku = _sku(number)
            chance = self._chance("stock", number)
            factor = 0.6 if chance.random() < _SCARCE else 1.25
            units = int(wanted[sku] * factor) + 4
            places = [(place, weight) for place, _, _, share, weight in _PLACES if chance.random() < share]
            places = places or [("wh-hamburg", 1)]
            total = sum(weight for _, weight in places)
            for place, weight in places:
                yield Stock(sku, place, max(1, units * weight // total))

    def happenings(self) -> Iterator[Happening]:
        """One order after the other."""
        for number in range(self._orders):
            self.read = number + 1
            yield self._sale(number)

    def _sale(self, number: int) -> Sale:
        body = self._body(number)
        chance = self._chance("payment", number)
        payments = _payments(body["external_id"], body["total"], chance)
        body["payments"] = prepaid(payments)
        faulty = chance.random() < _FAULTY
        if faulty:
            _spoil(body, chance)
        return Sale(body["channel"], body["external_id"], body, payments, faulty)

    def _body(self, number: int) -> dict[str, Any]:
        chance = self._chance("order", number)
        wholesale = chance.random() < _WHOLESALE_SHARE
        city, country, _, latitude, longitude = chance.choices(_CITIES, weights=_BY_PEOPLE)[0]
        channel = "phone" if wholesale else "shop" if chance.random() < 0.6 else "marketplace"
        lines = self._wholesale_lines(chance) if wholesale else self._consumer_lines(chance)
        freight = int(chance.lognormvariate(log(_MEDIAN_FREIGHT), _FREIGHT_SIGMA))
        shipping = freight if chance.random() > 0.1 else 0
        buyer = f"{self._seed}/{'company' if wholesale else 'person'}/{chance.randrange(self._orders + 100)}"
        street = f"{chance.choice(_STREETS)} {chance.randint(1, 120)}"
        return {
            "channel": channel,
            "external_id": f"{channel[0].upper()}{self._seed}-{number:06d}",
            "contact": contact(buyer, country),
            "address": {
                "street": street,
                "city": city,
                "country": country,
                "latitude": latitude,
                "longitude": longitude,
            },
            "lines": lines,
            "shipping": shipping,
            "total": sum(line["total"] for line in lines) + shipping,
            "currency": "EUR",
            "prices_include_tax": not wholesale,
            "ordered_at": (_FIRST_ORDER + timedelta(seconds=37 * number)).isoformat(),
        }

    def _consumer_lines(self, chance: Random) -> list[dict[str, Any]]:
        skus = self._skus(chance, _pick(chance, _CONSUMER_LINES))
        return [
            self._line(n, sku, _pick(chance, _CONSUMER_UNITS), chance, tax=False)
            for n, sku in enumerate(skus, 1)
        ]

    def _wholesale_lines(self, chance: Random) -> list[dict[str, Any]]:
        count = min(_MOST_LINES, max(1, round(chance.lognormvariate(log(_MEDIAN_LINES), _LINES_SIGMA))))
        skus = self._skus(chance, count)
        return [
            self._line(n, sku, _pick(chance, _WHOLESALE_UNITS), chance, tax=True)
            for n, sku in enumerate(skus, 1)
        ]

    def _skus(self, chance: Random, count: int) -> list[str]:
        drawn = chance.choices(range(_SKUS), cum_weights=_POPULARITY, k=count)
        return [
            "UNHEARD-OF" if chance.random() < _UNKNOWN_SKU / count else _sku(number)
            for number in dict.fromkeys(drawn)
        ]

    def _line(self, number: int, sku: str, quantity: int, chance: Random, *, tax: bool) -> dict[str, Any]:
        price = self._prices[int(sku[1:])] if sku[1:].isdigit() else 9_99
        gross = quantity * price
        discount = gross // 10 if chance.random() < _DISCOUNTED else 0
        added = (gross - discount) * 19 // 100 if tax else 0
        return {
            "line_id": str(number), "sku": sku, "title": f"Article {sku}", "quantity": quantity, "unit_price": price,
            "discount": discount, "tax": added, "total": gross - discount + added,
        }  # fmt: skip

    @cached_property
    def _prices(self) -> list[int]:
        chance = self._chance("prices", 0)
        return [max(50, int(chance.lognormvariate(log(_MEDIAN_PRICE), _PRICE_SIGMA))) for _ in range(_SKUS)]

    def _chance(self, what: str, number: int) -> Random:
        return Random(f"{self._seed}/{what}/{number}")


def _payments(order: str, total: int, chance: Random) -> tuple[Payment, ...]:
    first = int(total * chance.uniform(0.1, 0.6)) if chance.random() < _PAID_IN_PARTS else 0
    parts: list[tuple[str, How, int]] = [
        ("voucher", "prepaid", first),
        (*_pick(chance, _METHODS), total - first),
    ]
    paid = [(method, how, amount) for method, how, amount in parts if amount > 0]
    return tuple(
        Payment(f"{order}-P{number}", method, amount, how)
        for number, (method, how, amount) in enumerate(paid, 1)
    )


def _spoil(body: dict[str, Any], chance: Random) -> None:
    """Make an order that must be refused, in one of the ways channels get them wrong."""
    line = body["lines"][0]
    way = chance.randrange(5)
    if way == 0:
        body["total"] += 1_00
    elif way == 1:
        line["quantity"] = 0
    elif way == 2:
        body["currency"] = "euro"
    elif way == 3:
        del body["address"]["country"]
    else:
        body["lines"] = []


def _pick(chance: Random, options: tuple[tuple[Any, float], ...]) -> Any:
    return chance.choices([value for value, _ in options], weights=[weight for _, weight in options])[0]


def _sku(number: int) -> str:
    return f"A{number:04d}"


_STREETS = (
    "Main Street",
    "Bahnhofstraße",
    "Rue de la Paix",
    "Calle Mayor",
    "Via Roma",
    "Kerkstraat",
    "Rua Nova",
)
_BY_PEOPLE = [people for _, _, people, _, _ in _CITIES]
_POPULARITY = list(accumulate(1 / (rank + 1) ** _ZIPF for rank in range(_SKUS)))
