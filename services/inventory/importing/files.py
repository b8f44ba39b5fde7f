"""Rows of a file as the HTTP API would get them."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from pydantic import BaseModel

from services.inventory.api.documents import AdjustmentEntry, PlaceEntry, SkuEntry
from shared.contracts.envelope import Address, Size
from shared.value_object import value_object

_INSIDE: Mapping[type[BaseModel], tuple[str, type[BaseModel]]] = {
    SkuEntry: ("size", Size),
    PlaceEntry: ("address", Address),
}


class WrongFile(ValueError):
    """The file cannot be read on from here; says where and why. Rows before were taken."""


@value_object
class Row:
    """One row: its number (the first is 1), what it says or why it cannot be read, and how far the file is read."""

    number: int
    data: Mapping[str, Any] | None
    problem: str
    position: int


def read_rows(path: Path, model: type[SkuEntry | PlaceEntry | AdjustmentEntry]) -> Iterator[Row]:
    """The rows of a .csv file (with a header; empty cells are unknown) or of a file with a JSON object per line.

    CSV is flat: the columns of a SKU's size (`length_mm`, ...) and of a place's address (`country`, `city`,
    `latitude`, ...) stand beside the others. Raises WrongFile for CSV that is no CSV in UTF-8.
    """
    with path.open("rb") as file:
        if path.suffix.lower() == ".csv":
            yield from _csv_rows(file, path.name, model)
        else:
            yield from _json_rows(file)


def _csv_rows(file: BinaryIO, name: str, model: type[BaseModel]) -> Iterator[Row]:
    reader = csv.DictReader(_lines(file, name), strict=True)
    number = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise WrongFile(f"{name}, after line {reader.line_num}: {error}") from None
        number += 1
        position = file.tell()
        if None in cells or None in cells.values():
            yield Row(
                number, None, f"has not the {len(reader.fieldnames or ())} cells of the header", position
            )
            continue
        yield Row(
            number, _nested({name.strip(): cell.strip() for name, cell in cells.items()}, model), "", position
        )


def _lines(file: BinaryIO, name: str) -> Iterator[str]:
    # Not by iterating over the file: that would forbid asking how far it is read.
    for number, line in enumerate(iter(file.readline, b""), start=1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise WrongFile(f"{name}, line {number}: not UTF-8 ({error}); save the file as UTF-8") from None


def _nested(cells: Mapping[str, str], model: type[BaseModel]) -> dict[str, Any]:
    row: dict[str, Any] = {name: cell for name, cell in cells.items() if cell != ""}
    if model not in _INSIDE:
        return row
    field, inner = _INSIDE[model]
    inside = {
        name: row.pop(name)
        for name in list(row)
        if name in inner.model_fields and name not in model.model_fields
    }
    return row | {field: inside} if inside else row


def _json_rows(file: BinaryIO) -> Iterator[Row]:
    for number, line in enumerate(iter(file.readline, b""), start=1):
        line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line  # noqa: PLW2901
        if not line.strip():
            continue
        try:
            data = orjson.loads(line)
            orjson.dumps(
                data
            )  # What is nested too deeply to be written could not be told either, when it is refused.
        except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:
            yield Row(number, None, f"is no JSON that can be read: {error}", file.tell())
            continue
        if isinstance(data, dict):
            yield Row(number, data, "", file.tell())
        else:
            yield Row(number, None, "is not a JSON object", file.tell())
