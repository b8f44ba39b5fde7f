"""Rows of a file as the HTTP API would get them."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from pydantic import BaseModel

from services.inventory.api.documents import AdjustmentEntry, PlaceEntry, SkuEntry
from shared.contracts.envelope import Address, Size

_INSIDE: Mapping[type[BaseModel], tuple[str, type[BaseModel]]] = {
    SkuEntry: ("size", Size),
    PlaceEntry: ("address", Address),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number (the first is 1), what it says or why it cannot be read, and how far the file is read."""

    number: int
    data: Mapping[str, Any] | None
    problem: str
    position: int


def read_rows(path: Path, model: type[SkuEntry | PlaceEntry | AdjustmentEntry]) -> Iterator[Row]:
    """The rows of a .csv file (with a header; empty cells are unknown) or of a file with a JSON object per line.

    CSV is flat: the columns of a SKU's size (`length_mm`, ...) and of a place's address (`country`, `city`,
    `latitude`, ...) stand beside the others.
    """
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        if path.suffix.lower() == ".csv":
            yield from _csv_rows(file, model)
        else:
            yield from _json_rows(file)


def _csv_rows(file: TextIO, model: type[BaseModel]) -> Iterator[Row]:
    reader = csv.DictReader(file)
    for number, cells in enumerate(reader, start=1):
        position = file.buffer.tell()
        if None in cells or None in cells.values():
            yield Row(
                number, None, f"has not the {len(reader.fieldnames or ())} cells of the header", position
            )
            continue
        yield Row(
            number, _nested({name.strip(): cell.strip() for name, cell in cells.items()}, model), "", position
        )


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


def _json_rows(file: TextIO) -> Iterator[Row]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
        except ValueError as error:
            yield Row(number, None, f"is not JSON: {error}", file.buffer.tell())
            continue
        if isinstance(data, dict):
            yield Row(number, data, "", file.buffer.tell())
        else:
            yield Row(number, None, "is not a JSON object", file.buffer.tell())
