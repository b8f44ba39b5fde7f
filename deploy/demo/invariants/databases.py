"""Reading five databases at once: rows of each, in one snapshot, as they are needed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any

import psycopg
from psycopg.rows import tuple_row

Row = tuple[Any, ...]

_names = count(1)


class Databases:
    """The services' databases, each in a transaction that sees one moment."""

    def __init__(self, connections: Mapping[str, psycopg.Connection]) -> None:
        self._connections = connections

    def rows(self, service: str, query: str) -> Iterator[Row]:
        """The rows of a query, a page at a time: memory does not grow with the number of orders."""
        connection = self._connections[service]
        with connection.cursor(f"look_{next(_names)}", row_factory=tuple_row) as cursor:
            cursor.itersize = 5_000
            cursor.execute(query.encode())
            yield from cursor

    def one(self, service: str, query: str) -> Row:
        """The only row of a query."""
        row = self._connections[service].execute(query.encode()).fetchone()
        assert row is not None, query
        return tuple(row)

    @property
    def services(self) -> tuple[str, ...]:
        """Those that can be asked."""
        return tuple(self._connections)


@contextmanager
def opened(databases: "Mapping[str, str | psycopg.Connection]") -> Iterator[Databases]:
    """Connect to those given as addresses; connections that were given stay open."""
    own: list[psycopg.Connection] = []
    connections: dict[str, psycopg.Connection] = {}
    try:
        for service, where in databases.items():
            if isinstance(where, str):
                url = where.replace("postgresql+psycopg://", "postgresql://", 1)
                connection = psycopg.connect(url)
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                connection.read_only = True
                own.append(connection)
                connections[service] = connection
            else:
                connections[service] = where
        yield Databases(connections)
    finally:
        for connection in own:
            connection.close()
