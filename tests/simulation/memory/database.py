"""Rows and constraints of one service's tables, with an undo log so that a transaction can be taken back."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from functools import cache, lru_cache
from operator import itemgetter
from types import CodeType
from typing import Any
from uuid import UUID

from psycopg.errors import CheckViolation, NotNullViolation, UniqueViolation
from sqlalchemy import (
    CheckConstraint,
    DateTime,
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


def values_of(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Key]:
    """What takes these columns' values out of a row."""
    if len(names) == 1:
        (name,) = names
        return lambda row: (row[name],)
    return itemgetter(*names)


class Shape:
    """What a table's definition says: its columns, and what every row must be."""

    def __init__(self, table: Table) -> None:
        self.name = str(table.name)
        self.names = tuple(column.name for column in table.columns)
        self.documents = frozenset(c.name for c in table.columns if isinstance(c.type, JSONB))
        self.kept: dict[str, Callable[[Any], Any]] = {
            **dict.fromkeys((c.name for c in table.columns if isinstance(c.type, Uuid)), _uuid),
            **dict.fromkeys((c.name for c in table.columns if isinstance(c.type, DateTime)), _utc),
            **dict.fromkeys(self.documents, Document.of),
        }
        defaults = {c.name: _default(c) for c in table.columns if isinstance(c.server_default, DefaultClause)}
        self.blank: Row = dict.fromkeys(self.names) | defaults
        self.moments = tuple(name for name, value in defaults.items() if value is _NOW)
        self.identity = next((c.name for c in table.columns if c.identity is not None), None)
        self.needed = tuple(c.name for c in table.columns if not c.nullable)
        self.values_needed = values_of(self.needed)
        self.checks = _checks(table)
        self.unique = {names: values_of(names) for names in _unique(table)}
        self.parts = frozenset(name for names in self.unique for name in names)

    def check(self, row: Row) -> None:
        """What every row must be."""
        if None in self.values_needed(row):
            raise NotNullViolation(f"null value in {self.name}, where none may be: {row}")
        for text, condition in self.checks:
            if not eval(condition, _NO_NAMES, row):
                raise CheckViolation(f"new row for {self.name} violates {text}: {row}")


class Rows:
    """One table. A row is never changed in place: a change puts another dictionary in its stead."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.rows: dict[int, Row] = {}
        self.found: dict[tuple[str, ...], dict[Key, int]] = {names: {} for names in shape.unique}
        self._unique = [(self.found[names], values) for names, values in shape.unique.items()]
        self.next_row = 1
        self.next_identity = 1

    def enter(self, number: int, row: Row) -> bool:
        """Put a row there, known to the unique constraints; False if another row stands in the way of one."""
        for known, values in self._unique:
            if values(row) in known:
                return False
        for known, values in self._unique:
            key = values(row)
            if None not in key:  # Nulls are never equal.
                known[key] = number
        self.rows[number] = row
        return True

    def leave(self, number: int) -> Row:
        """Take a row out."""
        row = self.rows.pop(number)
        for known, values in self._unique:
            known.pop(values(row), None)
        return row


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
        for name in shape.moments:
            if row[name] is _NOW:
                row[name] = now
        if shape.identity is not None and shape.identity not in given:
            row[shape.identity] = rows.next_identity
            rows.next_identity += 1
        shape.check(row)
        number = rows.next_row
        if not rows.enter(number, row):
            if ignore_duplicates:
                return None
            raise UniqueViolation(f"duplicate key of {shape.name}: {given}")
        rows.next_row += 1
        self._log.append((rows, number, None))
        return row

    def update(self, rows: Rows, number: int, changes: Mapping[str, Any]) -> Row:
        """Another row in the stead of one."""
        before = rows.rows[number]
        row = {**before, **changes}
        rows.shape.check(row)
        self._log.append((rows, number, before))
        if rows.shape.parts.isdisjoint(changes):
            rows.rows[number] = row
            return row
        rows.leave(number)
        if not rows.enter(number, row):
            rows.enter(number, before)
            raise UniqueViolation(f"duplicate key of {rows.shape.name}: {changes}")
        return row

    def delete(self, rows: Rows, number: int) -> None:
        """No row any more."""
        self._log.append((rows, number, rows.leave(number)))


def stored(rows: Rows, given: Mapping[str, Any]) -> Row:
    """Values as the database would keep them."""
    if _AS_THEY_ARE.issuperset(map(type, given.values())):
        row = {**given}
    else:
        row = {name: plain(value) for name, value in given.items()}
    for name, keep in rows.shape.kept.items():
        value = row.get(name)
        if value is not None:
            row[name] = keep(value)
    return row


def plain(value: Any) -> Any:
    """One value as the database would compare it."""
    if value.__class__ is datetime:
        return _utc(value)
    return value.value if isinstance(value, Enum) else value


_AS_THEY_ARE = frozenset({str, int, bool, bytes, float, dict, list, tuple, datetime, UUID, type(None)})
"""Kinds of values that are kept as they are, or in another form because of their column."""


@lru_cache(maxsize=1_024)  # An id is written by its sender's and each hearer's table.
def _uuid(value: str | UUID) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)


def _utc(value: datetime) -> datetime:
    return value if value.tzinfo is UTC else value.astimezone(UTC)


_NOW = object()
"""Stands in a blank row for the moment of the transaction."""
_NO_NAMES: dict[str, Any] = {}


def _default(column: Any) -> Any:
    argument = column.server_default.arg
    if isinstance(argument, str):
        return int(argument) if column.type.python_type is int else argument
    if getattr(argument, "name", "") == "now":
        return _NOW
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
