"""Files as submitted orders: one JSON object per line, or CSV with one row per order line.

CSV columns (UTF-8, comma, header line; money in minor units; `*` must be there):

    channel*, external_id*, currency*, country*, total*   shipping, prices_include_tax, ordered_at
    name, email, phone, locale                            who ordered
    address_name, street, street2, city, region, postal_code, latitude, longitude
    sku*, quantity*, unit_price*, line_total*             line_id (else 1, 2, ...), title, discount, tax
    payment_id, payment_method, payment_authorized, payment_captured

Rows of one order stand together. What belongs to the order is read from its first row; in later rows it is
the same or empty.
"""

import csv
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from shared.contracts.envelope import FieldError
from shared.value_object import value_object

_ORDER = ("channel", "external_id", "currency", "total", "shipping", "prices_include_tax", "ordered_at")
_CONTACT = ("name", "email", "phone", "locale")
_ADDRESS = {
    "address_name": "name", "street": "street", "street2": "street2", "city": "city", "region": "region",
    "postal_code": "postal_code", "country": "country", "latitude": "latitude", "longitude": "longitude",
}  # fmt: skip
_LINE = {
    "line_id": "line_id", "sku": "sku", "title": "title", "quantity": "quantity", "unit_price": "unit_price",
    "discount": "discount", "tax": "tax", "line_total": "total",
}  # fmt: skip
_PAYMENT = {
    "payment_id": "payment_id", "payment_method": "method", "payment_authorized": "authorized",
    "payment_captured": "captured",
}  # fmt: skip
_WHOLE = frozenset({
    "total", "shipping", "quantity", "unit_price", "discount", "tax", "line_total", "payment_authorized",
    "payment_captured",
})  # fmt: skip
_DECIMAL = frozenset({"latitude", "longitude"})
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_OF_THE_ORDER = (*_ORDER, *_CONTACT, *_ADDRESS, *_PAYMENT)
COLUMNS = frozenset((*_OF_THE_ORDER, *_LINE))
REQUIRED = frozenset(
    {"channel", "external_id", "currency", "country", "total", "sku", "quantity", "unit_price", "line_total"}
)


class WrongFile(ValueError):
    """The file as a whole cannot be read; says why."""


@value_object
class Submitted:
    """One order of a file: the rows it stands in, its body as it would be sent, and what is already wrong."""

    rows: tuple[int, ...]
    body: Mapping[str, Any]
    errors: tuple[FieldError, ...] = ()

    def row_of(self, field: str) -> int:
        """The row that a faulty field stands in: of its line where the field names one."""
        parts = field.split(".")
        if parts[0] == "lines" and len(parts) > 1 and parts[1].isdigit() and int(parts[1]) < len(self.rows):
            return self.rows[int(parts[1])]
        return self.rows[0]


def read(path: Path, advance: Callable[[int], None]) -> Iterator[Submitted]:
    """The orders of a file, as it is read: memory does not grow with it. `advance` is told bytes read.

    Raises WrongFile for a file that is neither JSON Lines (.jsonl, .ndjson) nor CSV (.csv).
    """
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        return _json_lines(path, advance)
    if path.suffix.lower() == ".csv":
        return _csv_rows(path, advance)
    raise WrongFile(f"{path.name}: use a file that ends in .jsonl, .ndjson or .csv")


def _json_lines(path: Path, advance: Callable[[int], None]) -> Iterator[Submitted]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            advance(len(line))
            if not line.strip():
                continue
            try:
                body = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
            except orjson.JSONDecodeError as error:
                fault = FieldError(
                    field="(row)", problem=str(error)[:400], remedy="write one JSON object per line"
                )
                yield Submitted((number,), {}, (fault,))
                continue
            if isinstance(body, dict):
                yield Submitted((number,), body)
            else:
                fault = FieldError(
                    field="(row)", problem="is not a JSON object", remedy="write one object per line"
                )
                yield Submitted((number,), {}, (fault,))


def _csv_rows(path: Path, advance: Callable[[int], None]) -> Iterator[Submitted]:
    with path.open("rb") as file:
        reader = csv.DictReader(_lines(file, advance, path.name), strict=True)
        try:
            _check_header(path.name, reader.fieldnames)
        except csv.Error as error:
            raise WrongFile(f"{path.name}, line 1: {error}") from None
        numbered = _numbered(reader, path.name)
        for _, rows in groupby(numbered, key=lambda row: (row[1].get("channel"), row[1].get("external_id"))):
            yield _order(list(rows))


def _lines(file: Any, advance: Callable[[int], None], name: str) -> Iterator[str]:
    for number, line in enumerate(file, start=1):
        advance(len(line))
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise WrongFile(f"{name}, line {number}: not UTF-8 ({error}); save the file as UTF-8") from None


def _check_header(name: str, found: Any) -> None:
    header = list(found or ())
    missing, unknown = sorted(REQUIRED - set(header)), sorted(set(header) - COLUMNS)
    if missing or unknown or len(set(header)) < len(header):
        faults = [f"missing: {', '.join(missing)}"] * bool(missing)
        faults += [f"unknown: {', '.join(unknown)}"] * bool(unknown)
        faults += ["a column occurs twice"] * (len(set(header)) < len(header))
        raise WrongFile(f"{name}: columns {'; '.join(faults)}. Known: {', '.join(sorted(COLUMNS))}")


def _numbered(reader: "csv.DictReader[str]", name: str) -> Iterator[tuple[int, dict[str, str]]]:
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise WrongFile(f"{name}, line {reader.line_num}: {error}") from None
        yield reader.line_num, {str(key): value for key, value in row.items() if value}


def _order(rows: list[tuple[int, dict[str, str]]]) -> Submitted:
    first = rows[0][1]
    errors = []
    for number, row in rows:
        if "None" in row:
            errors.append(
                _fault("(row)", f"row {number} has more fields than the header", "quote commas in fields")
            )
        for name in _OF_THE_ORDER:
            if name in row and row[name] != first.get(name):
                problem = f"row {number} differs from the order's first row {rows[0][0]}"
                errors.append(_fault(name, problem, "rows of one order tell the same of it, or nothing"))
    body: dict[str, Any] = {name: _value(name, first[name]) for name in _ORDER if name in first}
    body["contact"] = {name: first[name] for name in _CONTACT if name in first}
    body["address"] = _named(_ADDRESS, first)
    body["lines"] = [
        {"line_id": str(index), **_named(_LINE, row)} for index, (_, row) in enumerate(rows, start=1)
    ]
    payment = _named(_PAYMENT, first)
    if payment:
        body["payments"] = [payment]
    return Submitted(tuple(number for number, _ in rows), body, tuple(errors[:100]))


def _named(columns: Mapping[str, str], row: Mapping[str, str]) -> dict[str, Any]:
    return {name: _value(column, row[column]) for column, name in columns.items() if column in row}


def _value(column: str, text: str) -> Any:
    """The cell as what it should be; as it stands when it is not, so that the contract can say what is wrong."""
    if column == "prices_include_tax":
        return _FLAGS.get(text.strip().lower(), text)
    try:
        if column in _WHOLE:
            return int(text)
        return float(text) if column in _DECIMAL else text
    except ValueError:
        return text


def _fault(field: str, problem: str, remedy: str) -> FieldError:
    return FieldError(field=field, problem=problem, remedy=remedy)
