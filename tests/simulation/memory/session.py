"""`shared.db.bulk.Session` over a `Database` in memory."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg.errors import CardinalityViolation
from sqlalchemy import Table
from sqlalchemy.sql import Executable

from shared.db.bulk import Session
from tests.simulation.memory.database import Database, Row, Rows, plain, stored
from tests.simulation.memory.statements import run


class MemorySession(Session):
    """The same methods with the same answers. Nothing here waits, so a coroutine that uses it never does."""

    def __init__(self, database: Database, now: datetime) -> None:
        self.now = now
        self._database = database
        self._tables = database.tables

    async def fetch(
        self,
        table: Table,
        column: str,
        values: Collection[Any],
        *,
        columns: Sequence[str] | None = None,
        lock: bool = False,
        order_by: Sequence[str] | None = None,
    ) -> list[Row]:
        """See Session."""
        if not values:
            return []
        rows = self._tables[table.name]
        known = rows.found.get((column,))
        wanted = {plain(value) for value in values}
        if known is not None:
            found = [rows.rows[known[value,]] for value in wanted if (value,) in known]
        else:
            found = [row for row in rows.rows.values() if row[column] in wanted]
        if len(found) > 1:
            in_order(found, order_by or (column,))
        return _read(rows, found, columns or rows.shape.names)

    async def fetch_pairs(
        self, table: Table, columns: Sequence[str], keys: Collection[tuple[Any, ...]], *, lock: bool = False
    ) -> list[Row]:
        """See Session."""
        if not keys:
            return []
        rows = self._tables[table.name]
        names = tuple(columns)
        wanted = {tuple(plain(value) for value in key) for key in keys}
        known = rows.found.get(names)
        if known is not None:
            found = [rows.rows[known[key]] for key in wanted if key in known]
        else:
            found = [row for row in rows.rows.values() if tuple([row[name] for name in names]) in wanted]
        if len(found) > 1:
            in_order(found, names)
        return _read(rows, found, rows.shape.names)

    async def insert(
        self,
        table: Table,
        rows: Sequence[Mapping[str, Any]],
        *,
        ignore_duplicates: bool = False,
        returning: Sequence[str] = (),
    ) -> list[Row]:
        """See Session."""
        if not rows:
            return []
        new = self._insert(table, rows, ignore_duplicates)
        return _read(self._tables[table.name], new, returning) if returning else []

    async def insert_missing(
        self, table: Table, rows: Sequence[Mapping[str, Any]], *, key: str
    ) -> list[Any] | None:
        """See Session."""
        new = self._insert(table, rows, ignore_duplicates=True)
        return None if len(new) == len(rows) else [row[key] for row in new]

    def _insert(self, table: Table, rows: Sequence[Mapping[str, Any]], ignore_duplicates: bool) -> list[Row]:
        there = self._tables[table.name]
        new = [
            self._database.insert(there, given, self.now, ignore_duplicates=ignore_duplicates)
            for given in _alike(there, rows)
        ]
        return [row for row in new if row is not None]

    async def update(self, table: Table, rows: Sequence[Mapping[str, Any]], *, key: Sequence[str]) -> int:
        """See Session. Of two rows with one key nobody knows which would win: that is refused here."""
        if not rows:
            return 0
        there = self._tables[table.name]
        seen = set()
        count = 0
        parts = tuple(key)
        for changes in _alike(there, rows):
            name = tuple([changes.pop(part) for part in parts])
            if name in seen:
                raise AssertionError(f"two updates of {there.shape.name} {name} in one statement")
            seen.add(name)
            for number in _numbers(there, parts, name):
                self._database.update(there, number, changes)
                count += 1
        return count

    async def upsert(self, table: Table, rows: Sequence[Mapping[str, Any]], *, key: Sequence[str]) -> None:
        """See Session."""
        there = self._tables[table.name]
        seen = set()
        for given in sorted(_alike(there, rows), key=lambda row: tuple(row[name] for name in key)):
            name = tuple([given[part] for part in key])
            if name in seen:
                raise CardinalityViolation(f"upsert of {there.shape.name} {name} twice in one statement")
            seen.add(name)
            numbers = _numbers(there, tuple(key), name)
            if numbers:
                changes = {part: value for part, value in given.items() if part not in key}
                self._database.update(there, numbers[0], changes)
            else:
                self._database.insert(there, given, self.now)

    async def delete(self, table: Table, column: str, values: Collection[Any]) -> int:
        """See Session."""
        there = self._tables[table.name]
        wanted = {plain(value) for value in values}
        gone = [number for number, row in there.rows.items() if row[column] in wanted]
        for number in gone:
            self._database.delete(there, number)
        return len(gone)

    async def execute(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """See Session; statements of the forms that stores use (`statements.py`)."""
        return run(statement, parameters or {}, self._database)


def in_order(rows: list[Row], names: Sequence[str]) -> None:
    """Sort rows as PostgreSQL does: text by its bytes, nulls last."""
    if len(names) == 1:
        name = names[0]
        rows.sort(key=lambda row: (row[name] is None, row[name]))
    else:
        rows.sort(key=lambda row: [(row[name] is None, row[name]) for name in names])


def _read(rows: Rows, found: Sequence[Row], names: Sequence[str]) -> list[Row]:
    if names is rows.shape.names:
        read = [row.copy() for row in found]
    else:
        read = [{name: row[name] for name in names} for row in found]
    for name in rows.shape.documents:
        if name in names:
            for row in read:
                if row[name] is not None:
                    row[name] = row[name].read()
    return read


def _numbers(rows: Rows, names: tuple[str, ...], key: tuple[Any, ...]) -> list[int]:
    known = rows.found.get(names)
    if known is not None:
        number = known.get(key)
        return [] if number is None else [number]
    return [number for number, row in rows.rows.items() if tuple([row[name] for name in names]) == key]


def _alike(there: Rows, rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    for row in rows[1:]:
        if row.keys() != rows[0].keys():
            raise ValueError(
                f"rows for {there.shape.name} have different columns; the first has {', '.join(rows[0])}"
            )
    return [stored(there, row) for row in rows]
