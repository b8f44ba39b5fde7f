"""Which earlier invoice a credit note takes back: the set does not say, so the goods decide.

The latest invoice of the customer with the article comes first. When a credit note takes back all that an invoice of
the same day or the day before still has, it is a cancellation, else the goods come back.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from deploy.demo.datasets.model import Cancellation, GoodsBack, Happening

_SOON = timedelta(days=1)


@dataclass
class TakenBack:
    """What a credit note turned out to be."""

    happenings: list[Happening] = field(default_factory=list)
    unmatched: int = 0
    """Lines for goods (or for more of them than) earlier invoices have."""


class Invoices:
    """Remembers, in the scratch database, what of each invoice has not been taken back."""

    def __init__(self, database: sqlite3.Connection, channel: str) -> None:
        self._database = database
        self._channel = channel
        database.executescript(
            """DROP TABLE IF EXISTS sold;
               CREATE TABLE sold (customer, code, invoice, line_id, bought, units, kept);
               CREATE INDEX sold_to ON sold (customer, code);
               CREATE INDEX sold_on ON sold (invoice);"""
        )

    def remember(
        self, invoice: str, customer: str, bought: datetime, goods: Sequence[tuple[str, int]]
    ) -> None:
        """An invoice became an order: its lines are numbered from 1 as in the order."""
        if not customer:
            return
        rows = [
            (customer, code, invoice, str(number), bought.isoformat(), units, units)
            for number, (code, units) in enumerate(goods, 1)
        ]
        self._database.executemany("INSERT INTO sold VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def take_back(self, customer: str, goods: Sequence[tuple[str, int]], when: datetime) -> TakenBack:
        """Match (code, units) to earlier invoices of this customer, latest first."""
        result = TakenBack()
        taken: dict[str, dict[str, int]] = {}
        for code, units in goods:
            left = units
            for row, invoice, line, kept in self._candidates(customer, code):
                share = min(left, kept)
                self._database.execute("UPDATE sold SET kept = kept - ? WHERE rowid = ?", [share, row])
                lines = taken.setdefault(invoice, {})
                lines[line] = lines.get(line, 0) + share
                left -= share
                if not left:
                    break
            result.unmatched += left > 0
        for invoice, lines in taken.items():
            result.happenings.append(self._happening(invoice, lines, when))
        return result

    def _candidates(self, customer: str, code: str) -> list[tuple[int, str, str, int]]:
        query = """SELECT rowid, invoice, line_id, kept FROM sold
                   WHERE customer = ? AND code = ? AND kept > 0 ORDER BY rowid DESC"""
        return self._database.execute(query, [customer, code]).fetchall()

    def _happening(self, invoice: str, lines: dict[str, int], when: datetime) -> Happening:
        query = "SELECT min(bought), sum(units), sum(kept) FROM sold WHERE invoice = ?"
        bought, units, kept = self._database.execute(query, [invoice]).fetchone()
        whole = kept == 0 and sum(lines.values()) == units
        if whole and when - datetime.fromisoformat(bought) <= _SOON:
            return Cancellation(self._channel, invoice, "cancelled by credit note")
        return GoodsBack(self._channel, invoice, tuple(lines.items()))
