"""Files of orders, SKUs, places and adjustments: every row is taken or refused with a reason, whatever stands in it."""

import csv
import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

from services.inventory.importing.files import WrongFile as NoCsv
from services.inventory.tools import What
from services.inventory.tools import _import as import_inventory
from services.orders.importing.command import _import as import_orders
from services.orders.importing.records import WrongFile
from shared.contracts.channels import OrderSubmitted
from tests.contracts.golden_messages import golden
from tests.fuzz.mutations import Mutator
from tests.fuzz.report import Report
from tests.fuzz.suite import Suite, mark

_ROWS = 100
_FIRST_MARK = 50_000_000
"""Marks of rows, apart from those of messages."""

_ORDER_ROW = {
    "channel": "shop", "external_id": "", "currency": "EUR", "country": "DE", "total": "3000", "email": "",
    "sku": "sku-hub", "quantity": "3", "unit_price": "1000", "line_total": "3000", "payment_id": "p",
    "payment_authorized": "3000", "latitude": "52.5", "name": "Ada",
}  # fmt: skip
_ROWS_OF: dict[What, dict[str, Any]] = {
    What.SKUS: {"sku": "", "title": "Mug", "weight_g": 300, "size": {"length_mm": 1, "width_mm": 2, "height_mm": 3}},
    What.PLACES: {"place_id": "", "name": "Main", "kind": "store", "address": {"country": "DE", "city": "Berlin"}},
    What.ADJUSTMENTS: {
        "adjustment_id": "", "sku": "sku-hub", "place_id": "hub", "delta": 3, "reason": "received",
    },
}  # fmt: skip
_KEY = {What.SKUS: "sku", What.PLACES: "place_id", What.ADJUSTMENTS: "adjustment_id"}


async def fuzz_files(
    suite: Suite, report: Report, seed: int, inputs: int, progress: Callable[[int], None]
) -> None:
    """Import so many bad rows, some hundred a file."""
    random = Random(f"{seed}/files")
    files = _Files(suite, report, random)
    number = 0
    while number < inputs:
        first = _FIRST_MARK + number
        kind = random.randrange(4)
        if kind == 0:
            await files.orders_as_lines(first)
        elif kind == 1:
            await files.orders_as_csv(first)
        elif kind == 2:
            await files.inventory_as_lines(first, random.choice(list(What)))
        else:
            await files.inventory_as_csv(first, random.choice(list(What)))
        number += _ROWS
        progress(_ROWS)


class _Files:
    def __init__(self, suite: Suite, report: Report, random: Random) -> None:
        self._suite = suite
        self._report = report
        self._random = random
        self._mutator = Mutator(random)

    async def orders_as_lines(self, first: int) -> None:
        """JSON Lines of orders."""
        lines = []
        for number in range(first, first + _ROWS):
            order = golden("order.submitted.v1") | {"external_id": mark(number)}
            order["contact"] = order["contact"] | {"email": f"{mark(number)}@example.com"}
            line = self._mutator.body(order).replace(b"\n", b" ").replace(b"\r", b" ")
            lines.append(line)
            if not _is_order(line):
                self._suite.bad.add(mark(number))
        expected = sum(bool(line.strip()) for line in lines)
        await self._import_orders(self._written("orders.jsonl", b"\n".join(lines)), expected)

    async def orders_as_csv(self, first: int) -> None:
        """CSV of orders."""
        rows = [
            _ORDER_ROW | {"external_id": mark(number), "email": f"{mark(number)}@example.com"}
            for number in range(first, first + _ROWS)
        ]
        await self._import_orders(self._written("orders.csv", self._csv(list(_ORDER_ROW), rows)), None)

    async def _import_orders(self, file: Path, expected: int | None) -> None:
        refused = file.with_suffix(".refused.csv")
        service = self._suite.services["orders"].service
        try:
            counts = await import_orders(service.settings, file, file.stat().st_size, False, refused)
        except WrongFile as error:
            self._report.check("import", str(error), "a file was refused without a reason", file.read_bytes())
            self._report.count("import", "file refused as a whole", _ROWS)
            return
        except Exception as error:
            self._failed("orders", file, error)
            return
        self._counted(counts, file, expected)
        if counts["refused"]:
            told = len(refused.read_bytes().splitlines()) - 1
            self._report.check(
                "import", told >= counts["refused"], "refused orders without a reason", file.read_bytes()
            )

    async def inventory_as_lines(self, first: int, what: What) -> None:
        """JSON Lines of SKUs, places or adjustments."""
        lines = []
        for number in range(first, first + _ROWS):
            row = _ROWS_OF[what] | {_KEY[what]: mark(number)}
            lines.append(self._mutator.body(row).replace(b"\n", b" ").replace(b"\r", b" "))
        await self._import_inventory(what, self._written(f"{what}.jsonl", b"\n".join(lines)))

    async def inventory_as_csv(self, first: int, what: What) -> None:
        """CSV of SKUs, places or adjustments."""
        flat = {
            name: part
            for key, value in _ROWS_OF[what].items()
            for name, part in (value.items() if isinstance(value, dict) else [(key, value)])
        }
        rows = [flat | {_KEY[what]: mark(number)} for number in range(first, first + _ROWS)]
        await self._import_inventory(what, self._written(f"{what}.csv", self._csv(list(flat), rows)))

    async def _import_inventory(self, what: What, file: Path) -> None:
        refused = file.with_suffix(".refused.jsonl")
        refused.unlink(missing_ok=True)
        service = self._suite.services["inventory"].service
        try:
            counts = await import_inventory(service, what, file, file.stat().st_size, refused, dry_run=False)
        except NoCsv as error:
            self._report.check("import", str(error), "a file was refused without a reason", file.read_bytes())
            self._report.count("import", "file refused as a whole", _ROWS)
            return
        except Exception as error:
            self._failed(what, file, error)
            return
        self._counted(counts, file, None)
        if counts["refused"]:
            rows = [json.loads(line) for line in refused.read_text("utf-8").split("\n") if line]
            told = len(rows) == counts["refused"] and all(row["errors"] for row in rows)
            self._report.check("import", told, f"refused {what} without a reason", file.read_bytes())

    def _failed(self, what: str, file: Path, error: Exception) -> None:
        name = f"import of {what} ({file.suffix}) fails: {type(error).__name__}: {str(error)[:120]}"
        self._report.found("import", name, file.read_bytes()[:1_500])
        self._report.count("import", "failed", _ROWS)

    def _counted(self, counts: dict[str, int], file: Path, expected: int | None) -> None:
        for outcome, count in counts.items():
            self._report.count("import", outcome, count)
        total = sum(counts.values())
        self._report.check(
            "import",
            expected is None or total == expected,
            "rows are missing from the count",
            file.read_bytes(),
        )

    def _csv(self, columns: list[str], rows: list[dict[str, Any]]) -> bytes:
        """A file in which cells, rows, the header or its very bytes are wrong; most files keep a sound header."""
        random, file = self._random, StringIO()
        writer = csv.writer(file)
        header = list(columns)
        if random.random() < 0.1:
            header[random.randrange(len(header))] = self._mutator.text()
        writer.writerow(header)
        for row in rows:
            cells = [str(row[name]) for name in columns]
            for _ in range(random.randint(0, 2)):
                cells[random.randrange(len(cells))] = self._mutator.text()
            if random.random() < 0.05:
                cells = cells[: random.randint(0, len(cells))] or [""]
            elif random.random() < 0.05:
                cells += [self._mutator.text()] * random.randint(1, 5)
            try:
                writer.writerow(cells)
            except csv.Error:
                continue
        body = file.getvalue().encode("utf-8", "replace")
        return self._mutator.damaged(body) if random.random() < 0.1 else body

    def _written(self, name: str, body: bytes) -> Path:
        file = self._suite.folder / name
        file.write_bytes(body)
        return file


def _is_order(line: bytes) -> bool:
    try:
        OrderSubmitted.model_validate_json(line.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        return False
    return True
