# ruff: noqa: S608 - statements are built from table definitions; values always travel as parameters
"""Set-based statements derived from tables: one round trip whatever the number of rows.

Rows travel as one binary array per column and are unfolded by the server (`unnest`), which costs a
fifth of a statement per row and half of the same arrays in text form.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson
from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import dict_row
from sqlalchemy import ARRAY, Column, Float, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection as AlchemyConnection
from sqlalchemy.sql import Executable

Row = dict[str, Any]
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


class Session:
    """What stores speak to: one open transaction. `now` is its database time (UTC)."""

    def __init__(self, connection: AlchemyConnection, driver: AsyncConnection[Any], now: datetime) -> None:
        self.now = now
        self._connection = connection
        self._driver = driver

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
        """Rows whose `column` is among `values`, ordered, and locked in that order if asked.

        No statement when `values` is empty. Locking in one fixed order is what keeps batches free of deadlocks.
        """
        if not values:
            return []
        names = tuple(columns) if columns else _all_columns(table)
        statement = _select(table, names, column, tuple(order_by or (column,)), lock)
        return await self._run(statement, [list(values)])

    async def fetch_pairs(
        self, table: Table, columns: Sequence[str], keys: Collection[tuple[Any, ...]], *, lock: bool = False
    ) -> list[Row]:
        """Rows whose `columns` are one of `keys` (tuples in the same order), ordered by them, locked if asked."""
        if not keys:
            return []
        arrays = [list(values) for values in zip(*keys, strict=True)]
        return await self._run(_select_pairs(table, tuple(columns), lock), arrays)

    async def insert(
        self,
        table: Table,
        rows: Sequence[Mapping[str, Any]],
        *,
        ignore_duplicates: bool = False,
        returning: Sequence[str] = (),
    ) -> list[Row]:
        """Insert rows (all with the same keys) in their order; returns `returning` of the rows really inserted.

        A JSON column takes values, or bytes that are JSON already; so do the other statements.
        """
        if not rows:
            return []
        names = tuple(rows[0])
        statement = _insert(table, names, ignore_duplicates, tuple(returning))
        return await self._run(statement, _arrays(table, names, rows), fetch=bool(returning))

    async def insert_missing(
        self, table: Table, rows: Sequence[Mapping[str, Any]], *, key: str
    ) -> list[Any] | None:
        """Insert rows unless they are there already; None if all were new, else the `key` of those that were.

        For rows that are nearly always all new: then one number comes back instead of every row.
        """
        if not rows:
            return None
        names = tuple(rows[0])
        statement = _insert_missing(table, names, key)
        answer = await self._run(statement, [*_arrays(table, names, rows), len(rows)])
        new: list[Any] | None = answer[0]["new"]
        return new

    async def update(self, table: Table, rows: Sequence[Mapping[str, Any]], *, key: Sequence[str]) -> int:
        """Set every other column given in `rows` where the `key` columns match; returns how many rows matched.

        The caller holds the rows' locks: an update locks in plan order, which could deadlock with another batch.
        """
        if not rows:
            return 0
        names = tuple(rows[0])
        async with self._driver.cursor() as cursor:
            await _execute(cursor, _update(table, names, tuple(key)), _arrays(table, names, rows))
            return cursor.rowcount

    async def upsert(self, table: Table, rows: Sequence[Mapping[str, Any]], *, key: Sequence[str]) -> None:
        """Insert rows or, where `key` exists, set their other columns. Rows go in key order, each key once."""
        if not rows:
            return
        names = tuple(rows[0])
        ordered = sorted(rows, key=lambda row: tuple(row[name] for name in key))
        await self._run(_upsert(table, names, tuple(key)), _arrays(table, names, ordered), fetch=False)

    async def delete(self, table: Table, column: str, values: Collection[Any]) -> int:
        """Delete rows whose `column` is among `values`; returns how many there were."""
        if not values:
            return 0
        statement = f"DELETE FROM {_name(table)} WHERE {_quote(column)} = ANY(%b::{_type(table.c[column])}[])"
        async with self._driver.cursor() as cursor:
            await _execute(cursor, statement, [list(values)])
            return cursor.rowcount

    async def execute(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Any SQLAlchemy Core statement; its rows as dicts, none for a statement that returns none."""
        result = await self._connection.execute(statement, parameters)
        if not result.returns_rows:
            return []
        return [dict(row) for row in result.mappings()]

    async def _run(self, statement: str, arrays: list[Any], *, fetch: bool = True) -> list[Row]:
        async with self._driver.cursor(row_factory=dict_row, binary=True) as cursor:
            await _execute(cursor, statement, arrays)
            return await cursor.fetchall() if fetch else []


async def _execute(cursor: AsyncCursor[Any], statement: str, arrays: list[Any]) -> None:
    # Statements come from table definitions and are few: prepared from the first use, planned once.
    await cursor.execute(statement.encode(), arrays, prepare=True)


_quote = _DIALECT.identifier_preparer.quote  # Leaves ordinary names as they are.


def _name(table: Table) -> str:
    return _quote(str(table.name))


def _type(column: Column[Any]) -> str:
    if isinstance(column.type, ARRAY):
        raise TypeError(f"{column}: unnest would flatten an array; keep lists in a JSONB column")
    # Without a length: a cast would cut silently what the column itself refuses.
    return column.type.compile(dialect=_DIALECT).split(" COLLATE")[0].split("(")[0]


@lru_cache(maxsize=256)
def _all_columns(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns)


def _arrays(table: Table, names: tuple[str, ...], rows: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    if any(len(row) != len(names) for row in rows):
        raise ValueError(f"rows for {table.name} have different columns; the first has {', '.join(names)}")
    return [_values(table.c[name], [row[name] for row in rows]) for name in names]


def _values(column: Column[Any], values: list[Any]) -> list[Any]:
    if isinstance(column.type, JSONB):
        return [
            None if value is None else (value if isinstance(value, bytes) else orjson.dumps(value)).decode()
            for value in values
        ]
    if isinstance(column.type, Float):
        # An array has one type; whole numbers among others must not choose it.
        return [None if value is None else float(value) for value in values]
    return values


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(_quote(name) for name in names)


def _unnest(table: Table, names: tuple[str, ...]) -> str:
    return "unnest(" + ", ".join(f"%b::{_type(table.c[name])}[]" for name in names) + ")"


@lru_cache(maxsize=512)
def _select(table: Table, names: tuple[str, ...], column: str, order: tuple[str, ...], lock: bool) -> str:
    return (
        f"SELECT {_list(names)} FROM {_name(table)} WHERE {_quote(column)} = ANY(%b::{_type(table.c[column])}[])"
        f" ORDER BY {_list(order)}{' FOR UPDATE' if lock else ''}"
    )


@lru_cache(maxsize=256)
def _select_pairs(table: Table, keys: tuple[str, ...], lock: bool) -> str:
    names = ", ".join(f"t.{_quote(name)}" for name in _all_columns(table))
    match = " AND ".join(f"t.{_quote(key)} = k.{_quote(key)}" for key in keys)
    order = ", ".join(f"t.{_quote(key)}" for key in keys)
    return (
        f"SELECT {names} FROM {_name(table)} t JOIN (SELECT DISTINCT * FROM {_unnest(table, keys)}"
        f" AS u({_list(keys)})) k ON {match} ORDER BY {order}{' FOR UPDATE OF t' if lock else ''}"
    )


@lru_cache(maxsize=256)
def _insert(table: Table, names: tuple[str, ...], ignore: bool, returning: tuple[str, ...]) -> str:
    columns = _list(names)
    return (
        f"INSERT INTO {_name(table)} ({columns}) SELECT {columns} FROM {_unnest(table, names)} WITH ORDINALITY"
        f" AS u({columns}, position_) ORDER BY position_"
        f"{' ON CONFLICT DO NOTHING' if ignore else ''}"
        f"{' RETURNING ' + _list(returning) if returning else ''}"
    )


@lru_cache(maxsize=256)
def _insert_missing(table: Table, names: tuple[str, ...], key: str) -> str:
    return (
        f"WITH new AS ({_insert(table, names, True, (key,))}) SELECT CASE WHEN count(*) < %b::bigint"
        f" THEN coalesce(array_agg({_quote(key)}), '{{}}') END AS new FROM new"
    )


@lru_cache(maxsize=256)
def _update(table: Table, names: tuple[str, ...], key: tuple[str, ...]) -> str:
    sets = ", ".join(f"{_quote(name)} = u.{_quote(name)}" for name in names if name not in key)
    match = " AND ".join(f"t.{_quote(name)} = u.{_quote(name)}" for name in key)
    return (
        f"UPDATE {_name(table)} t SET {sets} FROM {_unnest(table, names)} AS u({_list(names)}) WHERE {match}"
    )


@lru_cache(maxsize=256)
def _upsert(table: Table, names: tuple[str, ...], key: tuple[str, ...]) -> str:
    sets = ", ".join(f"{_quote(name)} = excluded.{_quote(name)}" for name in names if name not in key)
    action = f"DO UPDATE SET {sets}" if sets else "DO NOTHING"
    return f"{_insert(table, names, False, ())} ON CONFLICT ({_list(key)}) {action}"
