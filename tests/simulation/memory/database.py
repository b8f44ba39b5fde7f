"""Rows and constraints of one service's tables, with an undo log so that a transaction can be taken back."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from types import CodeType
from typing import Any
from uuid import UUID

from psycopg.errors import CheckViolation, NotNullViolation, UniqueViolation
from sqlalchemy import (
    CheckConstraint,
    DefaultClause,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from tests.simulation.memory.documents import Document

Row = dict[str, Any]
Key = tuple[Any, ...]


class Shape:
    """What a table's definition says: its columns, and what every row must be."""

    def __init__(self, table: Table) -> None:
        self.name = str(table.name)
        self.names = tuple(column.name for column in table.columns)
        self.documents = frozenset(c.name for c in table.columns if isinstance(c.type, JSONB))
        self.uuids = frozenset(c.name for c in table.columns if isinstance(c.type, Uuid))
        self.defaults = {
            c.name: _default(c) for c in table.columns if isinstance(c.server_default, DefaultClause)
        }
        self.identity = next((c.name for c in table.columns if c.identity is not None), None)
        self.needed = tuple(c.name for c in table.columns if not c.nullable)
        self.checks = _checks(table)
        self.unique = _unique(table)
        self.parts = frozenset(name for names in self.unique for name in names)
        self.blank: Row = dict.fromkeys(self.names)


class Rows:
    """One table. A row is never changed in place: a change puts another dictionary in its stead."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.rows: dict[int, Row] = {}
        self.found: dict[tuple[str, ...], dict[Key, int]] = {names: {} for names in shape.unique}
        self.next_row = 1
        self.next_identity = 1

    def conflicts(self, row: Row) -> tuple[tuple[str, ...], int] | None:
        """The first unique constraint that another row stands in the way of, and which."""
        for names, known in self.found.items():
            number = known.get(tuple([row[name] for name in names]))
            if number is not None:
                return names, number
        return None

    def enter(self, number: int, row: Row) -> None:
        """Put a row there, known to the unique constraints."""
        self.rows[number] = row
        for names, known in self.found.items():
            key = tuple([row[name] for name in names])
            if None not in key:  # Nulls are never equal.
                known[key] = number

    def leave(self, number: int) -> Row:
        """Take a row out."""
        row = self.rows.pop(number)
        for names, known in self.found.items():
            known.pop(tuple([row[name] for name in names]), None)
        return row

    def check(self, row: Row) -> None:
        """What every row must be."""
        for name in self.shape.needed:
            if row[name] is None:
                raise NotNullViolation(f"null value in column {name} of {self.shape.name}")
        for text, condition in self.shape.checks:
            if not eval(condition, {}, row):
                raise CheckViolation(f"new row for {self.shape.name} violates {text}: {row}")


class Tables(dict[str, Rows]):
    """Tables by name, each there from the first time it is looked at."""

    def __init__(self, metadata: MetaData) -> None:
        super().__init__()
        self._metadata = metadata

    def __missing__(self, name: str) -> Rows:
        self[name] = rows = Rows(_shape(self._metadata, name))
        return rows


@cache
def _shape(metadata: MetaData, name: str) -> Shape:
    return Shape(metadata.tables[name])


class Database:
    """The tables of one service; changes since the last commit can be taken back."""

    def __init__(self, metadata: MetaData) -> None:
        self.tables = Tables(metadata)
        self.sequences: dict[str, int] = {}
        self._log: list[tuple[Rows, int, Row | None]] = []

    def commit(self) -> None:
        """What was changed since the last commit stays."""
        self._log.clear()

    def rollback(self) -> None:
        """Nothing was changed since the last commit; numbers that were drawn are gone, as in PostgreSQL."""
        while self._log:
            rows, number, before = self._log.pop()
            if number in rows.rows:
                rows.leave(number)
            if before is not None:
                rows.enter(number, before)

    def next_value(self, sequence: str) -> int:
        """The next number of a sequence."""
        self.sequences[sequence] = value = self.sequences.get(sequence, 0) + 1
        return value

    def insert(self, rows: Rows, given: Row, now: datetime, *, ignore_duplicates: bool = False) -> Row | None:
        """A new row, stored; None where another stands in its way and that is to be ignored."""
        shape = rows.shape
        row = {**shape.blank, **given}
        for name, default in shape.defaults.items():
            if name not in given:
                row[name] = default(now)
        if shape.identity is not None and shape.identity not in given:
            row[shape.identity] = rows.next_identity
            rows.next_identity += 1
        rows.check(row)
        conflict = rows.conflicts(row)
        if conflict is not None:
            if ignore_duplicates:
                return None
            raise UniqueViolation(f"duplicate key of {shape.name} ({', '.join(conflict[0])}): {given}")
        number = rows.next_row
        rows.next_row += 1
        rows.enter(number, row)
        self._log.append((rows, number, None))
        return row

    def update(self, rows: Rows, number: int, changes: Mapping[str, Any]) -> Row:
        """Another row in the stead of one."""
        before = rows.rows[number]
        row = {**before, **changes}
        rows.check(row)
        self._log.append((rows, number, before))
        if rows.shape.parts.isdisjoint(changes):
            rows.rows[number] = row
            return row
        rows.leave(number)
        if rows.conflicts(row) is not None:
            rows.enter(number, before)
            raise UniqueViolation(f"duplicate key of {rows.shape.name}: {changes}")
        rows.enter(number, row)
        return row

    def delete(self, rows: Rows, number: int) -> None:
        """No row any more."""
        self._log.append((rows, number, rows.leave(number)))


def stored(rows: Rows, given: Mapping[str, Any]) -> Row:
    """Values as the database would keep them."""
    documents, uuids = rows.shape.documents, rows.shape.uuids
    return {
        name: (
            value
            if value is None
            else Document.of(value)
            if name in documents
            else UUID(value)
            if value.__class__ is str and name in uuids
            else value
            if value.__class__ in _PLAIN
            else _plain(value)
        )
        for name, value in given.items()
    }


def plain(value: Any) -> Any:
    """One value as the database would compare it."""
    return value if value.__class__ in _PLAIN else _plain(value)


_PLAIN = frozenset({str, int, bool, bytes, float, type(None)})


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value if value.tzinfo is UTC else value.astimezone(UTC)
    if isinstance(value, Enum):
        return value.value
    return value


def _default(column: Any) -> Callable[[datetime], Any]:
    argument = column.server_default.arg
    if isinstance(argument, str):
        value: Any = int(argument) if column.type.python_type is int else argument
        return lambda _: value
    if getattr(argument, "name", "") == "now":
        return lambda now: now
    raise NotImplementedError(f"{column}: default {argument}")


def _unique(table: Table) -> tuple[tuple[str, ...], ...]:
    found: Iterable[Sequence[str]] = [
        [column.name for column in constraint.columns]
        for constraint in table.constraints
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint)
    ]
    indexes = [[column.name for column in index.columns] for index in table.indexes if index.unique]
    return tuple(sorted(tuple(names) for names in (*found, *indexes) if names))


def _checks(table: Table) -> tuple[tuple[str, CodeType], ...]:
    texts = [str(c.sqltext) for c in table.constraints if isinstance(c, CheckConstraint)]
    return tuple((text, compile(text.replace(" AND ", " and "), table.name, "eval")) for text in texts)
