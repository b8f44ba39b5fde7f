"""Counts what goes to PostgreSQL, where every library must pass: in the driver."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from psycopg import AsyncConnection, AsyncCursor


@dataclass(frozen=True)
class Sent:
    """A statement as it was given to the driver."""

    database: str
    text: str
    parameters: Any
    prepared: bool


@dataclass
class Cost:
    """Statements sent and transactions committed; `pings` are looks at whether a pooled connection lives."""

    statements: int = 0
    commits: int = 0
    pings: int = 0
    sent: list[Sent] = field(default_factory=list)


@contextmanager
def counted() -> Iterator[Cost]:
    """Everything this process sends while the block lasts."""
    cost = Cost()
    execute, many, commit = AsyncCursor.execute, AsyncCursor.executemany, AsyncConnection.commit

    async def counting_execute(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        text = query.decode() if isinstance(query, bytes) else str(query)
        if text.strip().rstrip(";").upper() in ("", "SELECT 1"):
            cost.pings += 1
        else:
            cost.statements += 1
            parameters = arguments[0] if arguments else options.get("params")
            cost.sent.append(
                Sent(self.connection.info.dbname, text, parameters, bool(options.get("prepare")))
            )
        return await execute(self, query, *arguments, **options)

    async def counting_many(self: Any, query: Any, rows: Any, **options: Any) -> None:
        rows = list(rows)
        cost.statements += len(rows)
        await many(self, query, rows, **options)

    async def counting_commit(self: Any) -> None:
        cost.commits += 1
        await commit(self)

    AsyncCursor.execute = counting_execute  # type: ignore[method-assign]
    AsyncCursor.executemany = counting_many  # type: ignore[method-assign]
    AsyncConnection.commit = counting_commit  # type: ignore[method-assign]
    try:
        yield cost
    finally:
        AsyncCursor.execute, AsyncCursor.executemany, AsyncConnection.commit = execute, many, commit  # type: ignore[method-assign]
