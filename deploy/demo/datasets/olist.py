"""The Olist marketplace orders (Brazil, 2016-2018; CC BY-NC-SA 4.0, attribution to Olist), replayed.

Products become SKUs, the sellers of a state one place, customers' cities and states the addresses. Rows of one order
and product are one line with a quantity, freight is the order's shipping, payments are made as they were made.
The set has no names, no e-mail addresses and no streets: the first two are made up, the third is left out.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import cached_property
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

from deploy.demo.datasets.files import fill, find, rows, scratch
from deploy.demo.datasets.model import Cancellation, Habits, Happening, How, Payment, Product, Sale, Stock
from deploy.demo.datasets.people import contact
from shared.contracts.envelope import Address
from shared.contracts.inventory import Place

_FILES = ("orders", "order_items", "order_payments", "customers", "products", "sellers")
# Brasília time; the summer hour of those years shifts no order by more than an hour and is left out.
_LOCAL = timezone(timedelta(hours=-3))
_HOW: dict[str, How] = {
    "credit_card": "authorize",
    "debit_card": "sale",
    "boleto": "later",
    "voucher": "prepaid",
}
# A cent or two per payment are rounding; more is interest, or a voucher that the published table lacks.
_ROUNDING = 5
# An order may tell so many payments; one has more vouchers, the rest of which come as payments of their own.
_TOLD_WITH_ORDER = 19
# Capitals stand for their states, so that distance means something: sellers' places and customers without a city.
_CAPITALS = {
    "AC": ("Rio Branco", -9.97, -67.81), "AL": ("Maceió", -9.67, -35.74), "AM": ("Manaus", -3.12, -60.02),
    "AP": ("Macapá", 0.03, -51.07), "BA": ("Salvador", -12.97, -38.51), "CE": ("Fortaleza", -3.73, -38.53),
    "DF": ("Brasília", -15.79, -47.88), "ES": ("Vitória", -20.32, -40.34), "GO": ("Goiânia", -16.69, -49.25),
    "MA": ("São Luís", -2.53, -44.30), "MG": ("Belo Horizonte", -19.92, -43.94), "MS": ("Campo Grande", -20.44, -54.65),
    "MT": ("Cuiabá", -15.60, -56.10), "PA": ("Belém", -1.46, -48.50), "PB": ("João Pessoa", -7.12, -34.86),
    "PE": ("Recife", -8.05, -34.88), "PI": ("Teresina", -5.09, -42.80), "PR": ("Curitiba", -25.43, -49.27),
    "RJ": ("Rio de Janeiro", -22.91, -43.17), "RN": ("Natal", -5.79, -35.21), "RO": ("Porto Velho", -8.76, -63.90),
    "RR": ("Boa Vista", 2.82, -60.67), "RS": ("Porto Alegre", -30.03, -51.23), "SC": ("Florianópolis", -27.60, -48.55),
    "SE": ("Aracaju", -10.91, -37.07), "SP": ("São Paulo", -23.55, -46.63), "TO": ("Palmas", -10.18, -48.33),
}  # fmt: skip


class Olist:
    """One folder with the Olist files."""

    name = "olist"
    story = (
        "Olist marketplace orders, Brazil 2016-2018 (CC BY-NC-SA 4.0). Real: products, prices, freight, payments, "
        "cities, cancellations. Made up: names, e-mail addresses, stock, what warehouses and carriers do, returns."
    )
    habits = Habits(cancels=0.0)

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        self._folder = folder
        self._limit = limit
        self.told: Counter[str] = Counter()
        self.read = 0

    @staticmethod
    def recognises(folder: Path) -> bool:
        """Whether the folder holds these files."""
        return all(find(folder, stem) for stem in _FILES)

    def count(self) -> int:
        """Orders that will be submitted, cut to the limit."""
        (total,) = self._database.execute("SELECT count(*) FROM orders").fetchone()
        return min(int(total), self._limit or int(total))

    def products(self) -> Iterator[Product]:
        """The whole catalogue; weights and sizes of a few are unknown and stay so."""
        columns = ("product_id", "product_category_name", "product_weight_g", "product_length_cm", "product_height_cm",
                   "product_width_cm")  # fmt: skip
        for sku, category, weight, length, height, width in rows(self._folder, "products", columns):
            sizes = (_millimetres(length), _millimetres(width), _millimetres(height))
            known = all(sizes)
            title = (category or "product").replace("_", " ")
            yield Product(sku, title[:60], _grams(weight), sizes if known else None)

    def places(self) -> Iterator[Place]:
        """One place for each state that has sellers."""
        states = sorted({state for (state,) in rows(self._folder, "sellers", ["seller_state"])})
        for state in states:
            city, latitude, longitude = _CAPITALS.get(state, (None, None, None))
            address = Address(city=city, region=state, country="BR", latitude=latitude, longitude=longitude)
            yield Place(
                place_id=f"sellers-{state}", kind="third_party", name=f"Sellers in {state}", address=address
            )

    def stock(self) -> Iterator[Stock]:
        """What the sellers of a state sold in these years and a fifth more; nobody published what they had."""
        sold = """SELECT product, state, count(*) FROM items JOIN sellers USING (seller)
                  GROUP BY product, state ORDER BY product, state"""
        for sku, state, units in self._database.execute(sold):
            yield Stock(sku, f"sellers-{state}", units + units // 5 + 3)

    def happenings(self) -> Iterator[Happening]:
        """Orders by time of purchase, each followed by its cancellation if it was cancelled."""
        query = """SELECT orders.id, status, bought, coalesce(person, orders.id), zip, coalesce(city, ''), state
                   FROM orders LEFT JOIN customers USING (customer) ORDER BY orders.rowid"""
        orders = self._database.execute(query)
        for order in islice(orders, self._limit):
            self.read += 1
            sale = self._sale(*order)
            yield sale
            if order[1] == "canceled" and not sale.faulty:
                yield Cancellation(self.name, order[0], "cancelled in the data set")

    def _sale(
        self, order: str, _status: str, bought: str, person: str, zip_code: str, city: str, state: str
    ) -> Sale:
        lines, shipping = self._lines(order)
        total = sum(line["total"] for line in lines) + shipping
        payments = self._payments(order, total) if lines else ()
        if not lines:
            self.told["orders without lines, sent to be refused"] += 1
        body = {
            "channel": self.name,
            "external_id": order,
            "contact": contact(person, "BR"),
            "address": {
                "city": city.title()[:200],
                "region": state,
                "postal_code": zip_code,
                "country": "BR",
            },
            "lines": lines,
            "shipping": shipping,
            "total": total,
            "currency": "BRL",
            "ordered_at": datetime.fromisoformat(bought).replace(tzinfo=_LOCAL).isoformat(),
            "payments": prepaid(payments),
        }
        return Sale(self.name, order, body, payments, faulty=not lines)

    def _lines(self, order: str) -> tuple[list[dict[str, Any]], int]:
        """One row of the file is one unit: rows of one product and price are one line."""
        found = self._database.execute(
            "SELECT product, price, freight FROM items WHERE order_id = ? ORDER BY number", [order]
        ).fetchall()
        lines = []
        for number, ((sku, price), units) in enumerate(_grouped(found), 1):
            quantity = len(units)
            lines.append({"line_id": str(number), "sku": sku, "quantity": quantity, "unit_price": price,
                          "total": price * quantity})  # fmt: skip
        return lines, sum(freight for _, _, freight in found)

    def _payments(self, order: str, total: int) -> tuple[Payment, ...]:
        """As they were made; what does not add up to the total is mended and told, or replayed and told."""
        found = self._database.execute(
            "SELECT sequence, type, value FROM payments WHERE order_id = ? AND value > 0 ORDER BY sequence",
            [order],
        ).fetchall()
        payments = [
            Payment(
                f"{order}-{sequence}",
                kind,
                value,
                _HOW.get(kind, "authorize") if number < _TOLD_WITH_ORDER else "sale",
            )
            for number, (sequence, kind, value) in enumerate(found)
        ]
        short = total - sum(payment.amount for payment in payments)
        if short < -_ROUNDING:
            self.told["payments above the total (interest), replayed as they are"] += 1
        elif payments and abs(short) <= _ROUNDING and short:
            self.told["payments off by up to 0.05, evened out"] += 1
            payments = _evened(payments, short)
        elif short > 0:
            self.told["payments short of the total: a voucher for the rest made up"] += 1
            payments.append(Payment(f"{order}-rest", "voucher", short, "prepaid"))
        return tuple(payments)

    @cached_property
    def _database(self) -> sqlite3.Connection:
        database = scratch()
        orders = ("order_id", "order_status", "order_purchase_timestamp", "customer_id")
        fill(database, "orders", ["id", "status", "bought", "customer"], rows(self._folder, "orders", orders))
        people = (
            "customer_id",
            "customer_unique_id",
            "customer_zip_code_prefix",
            "customer_city",
            "customer_state",
        )
        columns = ["customer PRIMARY KEY", "person", "zip", "city", "state"]
        fill(database, "customers", columns, rows(self._folder, "customers", people))
        sellers = rows(self._folder, "sellers", ("seller_id", "seller_state"))
        fill(database, "sellers", ["seller PRIMARY KEY", "state"], sellers)
        items = ("order_id", "order_item_id", "product_id", "seller_id", "price", "freight_value")
        cents = (
            (o, int(n), p, s, minor(a), minor(f))
            for o, n, p, s, a, f in rows(self._folder, "order_items", items)
        )
        fill(database, "items", ["order_id", "number", "product", "seller", "price", "freight"], cents)
        paid = ("order_id", "payment_sequential", "payment_type", "payment_value")
        amounts = (
            (o, int(n), kind, minor(v)) for o, n, kind, v in rows(self._folder, "order_payments", paid)
        )
        fill(database, "payments", ["order_id", "sequence", "type", "value"], amounts)
        database.execute("CREATE INDEX items_of_order ON items (order_id)")
        database.execute("CREATE INDEX payments_of_order ON payments (order_id)")
        return database


def minor(amount: str) -> int:
    """Minor units of an amount with two decimals."""
    return int((Decimal(amount) * 100).to_integral_value())


def prepaid(payments: tuple[Payment, ...]) -> list[dict[str, object]]:
    """Those payments that were made before the order reached us, as the order tells them."""
    return [
        {"payment_id": p.payment_id, "method": p.method, "authorized": p.amount, "captured": p.amount}
        for p in payments
        if p.how == "prepaid"
    ]


def _grouped(
    found: list[tuple[str, int, int]],
) -> Iterator[tuple[tuple[str, int], list[tuple[str, int, int]]]]:
    by_product = itemgetter(0, 1)
    for key, units in groupby(sorted(found, key=by_product), key=by_product):
        yield key, list(units)


def _evened(payments: list[Payment], short: int) -> list[Payment]:
    largest = max(payments, key=lambda payment: payment.amount)
    evened = Payment(largest.payment_id, largest.method, largest.amount + short, largest.how)
    return [evened if payment is largest else payment for payment in payments]


def _grams(weight: str) -> int | None:
    """Nothing weighs nothing: 0 is unknown."""
    return int(float(weight)) or None if weight else None


def _millimetres(centimetres: str) -> int:
    return int(float(centimetres) * 10) if centimetres else 0
