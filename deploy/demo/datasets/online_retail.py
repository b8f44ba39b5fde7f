"""The UCI "Online Retail" invoices of a British wholesaler (Chen, Sain, Guo 2012), replayed.

Invoices become orders; credit notes (C...) become cancellations or returns of earlier invoices of the same customer.
Carriage becomes shipping; what is no goods (fees, discounts, manual entries, samples, bad debt) is left out and told.
The set has no names, e-mail addresses, towns, payments or stock: the first two and the last two are made up.
"""

import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from deploy.demo.datasets.credits import Invoices
from deploy.demo.datasets.files import fill, find, rows, scratch
from deploy.demo.datasets.model import Dice, Habits, Happening, How, Payment, Product, Sale, Stock, Unusable
from deploy.demo.datasets.people import contact
from shared.contracts.envelope import Address
from shared.contracts.inventory import Place

_COLUMNS = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)
_CARRIAGE = frozenset({"POST", "DOT", "C2"})
_NO_GOODS = {
    "M": "manual entry", "D": "discount", "S": "samples", "B": "bad debt", "BANK CHARGES": "bank charges",
    "AMAZONFEE": "marketplace fee", "CRUK": "commission",
}  # fmt: skip
_COUNTRIES = {
    "United Kingdom": "GB", "Germany": "DE", "France": "FR", "EIRE": "IE", "Spain": "ES", "Netherlands": "NL",
    "Belgium": "BE", "Switzerland": "CH", "Australia": "AU", "Portugal": "PT", "Channel Islands": "JE", "Norway": "NO",
    "Finland": "FI", "Italy": "IT", "Cyprus": "CY", "Japan": "JP", "Sweden": "SE", "Austria": "AT", "Hong Kong": "HK",
    "Poland": "PL", "Israel": "IL", "Denmark": "DK", "Singapore": "SG", "Canada": "CA", "Iceland": "IS",
    "Greece": "GR", "Malta": "MT", "Lebanon": "LB", "Lithuania": "LT", "Brazil": "BR", "United Arab Emirates": "AE",
    "USA": "US", "Bahrain": "BH", "Czech Republic": "CZ", "Saudi Arabia": "SA", "RSA": "ZA",
}  # fmt: skip
_MAIN, _SECOND = "warehouse-main", "warehouse-second"


class Line(NamedTuple):
    """A row of the file; money is a decimal because prices have up to three places."""

    code: str
    quantity: int
    price: Decimal
    bought: datetime
    customer: str
    country: str


class OnlineRetail:
    """One folder with online-retail.csv."""

    name = "online-retail"
    story = (
        "Online Retail, invoices of a British wholesaler 2010-2011 (UCI Machine Learning Repository). Real: articles, "
        "quantities, prices, carriage, countries, cancellations and returns. Made up: names, e-mail addresses, "
        "payments, the two warehouses and their stock, what warehouses and carriers do."
    )
    habits = Habits(cancels=0.0, returns=0.0)

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        self._folder = folder
        self._limit = limit
        self._dice = Dice(0)
        self.told: Counter[str] = Counter()
        self.read = 0

    @staticmethod
    def recognises(folder: Path) -> bool:
        """Whether the folder holds this file."""
        return find(folder, "online-retail") is not None

    def count(self) -> int:
        """Invoices that are no credit notes, cut to the limit."""
        (total,) = self._database.execute(
            "SELECT count(*) FROM invoices WHERE invoice NOT LIKE 'C%'"
        ).fetchone()
        return min(int(total), self._limit or int(total))

    def products(self) -> Iterator[Product]:
        """Every code of goods under one spelling, with its most frequent description; weights and sizes are unknown."""
        query = """SELECT code, title FROM (
                     SELECT code, title, row_number() OVER (PARTITION BY code ORDER BY count(*) DESC, title) AS place
                     FROM lines WHERE goods GROUP BY code, title) WHERE place = 1 ORDER BY code"""
        for code, title in self._database.execute(query):
            yield Product(code, _printable(title) or code)

    def places(self) -> Iterator[Place]:
        """Two warehouses, made up: nearly everything lies in the first, some of it in the second as well."""
        for place, city, latitude, longitude in (
            (_MAIN, "London", 51.51, -0.13),
            (_SECOND, "Leeds", 53.80, -1.55),
        ):
            address = Address(city=city, country="GB", latitude=latitude, longitude=longitude)
            yield Place(place_id=place, kind="warehouse", name=city, address=address)

    def stock(self) -> Iterator[Stock]:
        """What was sold and a tenth more; of every third article a third lies in the second warehouse."""
        sold = """SELECT code, sum(quantity) FROM lines WHERE goods AND quantity > 0 GROUP BY code ORDER BY code"""
        for code, units in self._database.execute(sold):
            enough = units + units // 10 + 5
            second = enough // 3 if self._dice.happens("second warehouse", code, 0.33) else 0
            yield Stock(code, _MAIN, enough - second)
            if second:
                yield Stock(code, _SECOND, second)

    def happenings(self) -> Iterator[Happening]:
        """Invoices and credit notes by time of their first line."""
        invoices = Invoices(self._database, self.name)
        for (invoice,) in self._database.execute("SELECT invoice FROM invoices ORDER BY first"):
            if self.read == self._limit:
                return
            lines = self._lines(invoice)
            if invoice.startswith("C"):
                found = self._credit(invoice, lines, invoices)
                self.told["credit notes matched to earlier invoices"] += not isinstance(found[0], Unusable)
                yield from found
                continue
            self.read += 1
            happening = self._order(invoice, lines)
            if isinstance(happening, Sale):
                invoices.remember(
                    invoice,
                    lines[0].customer,
                    lines[0].bought,
                    [(line.code, line.quantity) for line in _goods(lines)],
                )
            yield happening

    def _lines(self, invoice: str) -> list[Line]:
        query = """SELECT code, quantity, price, bought, customer, country FROM lines
                   WHERE invoice = ? ORDER BY rowid"""
        return [
            Line(code, quantity, Decimal(price), datetime.fromisoformat(bought), customer, country)
            for code, quantity, price, bought, customer, country in self._database.execute(query, [invoice])
        ]

    def _order(self, invoice: str, lines: list[Line]) -> Sale | Unusable:
        """An invoice as an order, or why it is none."""
        reason = _why_no_order(invoice, lines)
        if reason:
            return Unusable(invoice, reason)
        for line in lines:
            if line.code in _NO_GOODS:
                self.told[f"lines left out of orders: {_NO_GOODS[line.code]}"] += 1
        customer = lines[0].customer or f"unknown-{invoice}"
        country = _COUNTRIES[lines[0].country]
        body_lines: list[dict[str, Any]] = [
            {
                "line_id": str(number), "sku": line.code, "quantity": line.quantity,
                "unit_price": _pence(line.price), "total": _pence(line.price * line.quantity),
            }
            for number, line in enumerate(_goods(lines), 1)
        ]  # fmt: skip
        shipping = sum(_pence(line.price * line.quantity) for line in lines if line.code in _CARRIAGE)
        total = shipping + sum(line["total"] for line in body_lines)
        body = {
            "channel": self.name, "external_id": invoice, "contact": contact(customer, country),
            "address": {"country": country}, "lines": body_lines, "shipping": shipping, "total": total,
            "currency": "GBP", "ordered_at": lines[0].bought.replace(tzinfo=UTC).isoformat(),
        }  # fmt: skip
        how: How = "authorize" if self._dice.happens("card", invoice, 0.7) else "later"
        method = "credit_card" if how == "authorize" else "bank_transfer"
        return Sale(self.name, invoice, body, (Payment(f"{invoice}-1", method, total, how),))

    def _credit(self, invoice: str, lines: list[Line], invoices: Invoices) -> list[Happening]:
        """A credit note as cancellations and returns of earlier invoices, or why it is neither."""
        goods = [line for line in lines if line.code not in _CARRIAGE and line.code not in _NO_GOODS]
        if not goods:
            kinds = sorted({_NO_GOODS.get(line.code, "carriage") for line in lines})
            return [Unusable(invoice, f"credit note without goods: {', '.join(kinds)}")]
        customer = lines[0].customer
        if not customer:
            return [Unusable(invoice, "credit note without a customer")]
        wanted = [(line.code, -line.quantity) for line in goods]
        found = invoices.take_back(customer, wanted, lines[0].bought)
        if not found.happenings:
            return [Unusable(invoice, "credit note for goods that no invoice of the customer here has")]
        self.told["lines of credit notes for goods of no earlier invoice"] += found.unmatched
        return found.happenings

    @cached_property
    def _database(self) -> sqlite3.Connection:
        database = scratch()
        columns = ["invoice", "code", "title", "quantity", "bought", "price", "customer", "country", "goods"]
        fill(database, "lines", columns, (_stored(row) for row in rows(self._folder, self.name, _COLUMNS)))
        database.execute("CREATE INDEX lines_of_invoice ON lines (invoice)")
        database.execute(
            "CREATE TABLE invoices AS SELECT invoice, min(rowid) AS first FROM lines GROUP BY invoice"
        )
        return database


def _stored(row: tuple[str, ...]) -> tuple[object, ...]:
    invoice, code, title, quantity, bought, price, customer, country = row
    code = code.strip().upper()
    goods = code not in _CARRIAGE and code not in _NO_GOODS
    # Customers are written as 17850.0.
    return (
        invoice,
        code,
        title.strip(),
        int(quantity),
        bought,
        price,
        customer.removesuffix(".0"),
        country,
        goods,
    )


def _goods(lines: list[Line]) -> list[Line]:
    return [line for line in lines if line.code not in _CARRIAGE and line.code not in _NO_GOODS]


def _why_no_order(invoice: str, lines: list[Line]) -> str | None:
    if invoice.startswith("A"):
        return "adjustment of bad debt"
    if any(line.quantity < 0 for line in lines):
        return "stock write-off: negative quantity without a credit note"
    if not _goods(lines):
        return "no goods: " + ", ".join(sorted({_NO_GOODS.get(line.code, "carriage") for line in lines}))
    if all(line.price == 0 for line in lines):
        return "all prices are zero"
    if lines[0].country not in _COUNTRIES:
        return f"no country: {lines[0].country}"
    return None


def _pence(pounds: Decimal) -> int:
    """Minor units; a third decimal is rounded once, on the line's total."""
    return int((pounds * 100).to_integral_value(ROUND_HALF_EVEN))


def _printable(title: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f]+", " ", title)[:60].strip()
