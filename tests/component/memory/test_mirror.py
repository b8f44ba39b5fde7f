"""What the simulation's histories ask of their databases, PostgreSQL answers in the same words.

A history is played in memory and everything its services asked is written down. Then the same is asked of PostgreSQL,
transaction by transaction, and in the end all tables are compared. So the real stores' real statements are proved to
mean the same on both, on exactly the paths that histories take.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import DefaultClause, MetaData, Table
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local import Platform
from shared.db.bulk import Session
from shared.db.engine import create_engine
from shared.db.transaction import open_session
from tests.simulation import history as histories
from tests.simulation import host as hosts
from tests.simulation.blueprints import blueprints, silence
from tests.simulation.history import History, script
from tests.simulation.memory import Database, MemorySession

SEEDS = (15, 2, 7, 12, 40)
"""Of these 15 has its messages as bytes."""
_METHODS = ("fetch", "fetch_pairs", "insert", "insert_missing", "update", "upsert", "delete", "execute")


@dataclass
class Call:
    """One question to a session, and its answer or the kind of its error."""

    method: str
    arguments: tuple[Any, ...]
    named: Mapping[str, Any]
    answer: Any = None
    error: type[Exception] | None = None


@dataclass
class Written:
    """One transaction: what was asked in it, and whether it was committed."""

    calls: list[Call] = field(default_factory=list)
    committed: bool = False


class Scribe:
    """Writes down what is asked of every database."""

    def __init__(self) -> None:
        self.transactions: dict[int, list[Written]] = {}

    def current(self, database: Database) -> Written:
        """The open transaction of a database."""
        known = self.transactions.setdefault(id(database), [])
        if not known or known[-1].committed:
            known.append(Written())
        return known[-1]

    def ended(self, database: Database, *, committed: bool) -> None:
        """What was written of a transaction that was rolled back is kept, too: it must be answered alike."""
        self.current(database).committed = committed
        if not committed:
            self.transactions[id(database)].append(Written())

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Everything in this block is written down."""
        scribe = self
        commit, rollback = Database.commit, Database.rollback

        class Noted(MemorySession):
            """Asks as ever, and notes it."""

        def noting(name: str) -> Any:
            ask = getattr(MemorySession, name)

            async def method(session: Noted, *arguments: Any, **named: Any) -> Any:
                call = Call(name, arguments, named)
                # An upsert or insert_missing uses the others; only what the store asked is noted.
                if getattr(session, "busy", False):
                    return await ask(session, *arguments, **named)
                session.busy = True  # type: ignore[attr-defined]
                scribe.current(session._database).calls.append(call)
                try:
                    call.answer = await ask(session, *arguments, **named)
                except Exception as error:
                    call.error = type(error)
                    raise
                finally:
                    session.busy = False  # type: ignore[attr-defined]
                return call.answer

            return method

        for name in _METHODS:
            setattr(Noted, name, noting(name))

        def committed(database: Database) -> None:
            commit(database)
            scribe.ended(database, committed=True)

        def rolled_back(database: Database) -> None:
            rollback(database)
            scribe.ended(database, committed=False)

        with (
            patch.object(hosts, "MemorySession", Noted),
            patch.object(histories, "MemorySession", Noted),
            patch.object(Database, "commit", committed),
            patch.object(Database, "rollback", rolled_back),
        ):
            yield


class Undo(Exception):
    """Rolls a transaction back."""


@pytest.fixture(scope="module")
def engines(platform: Platform) -> dict[str, AsyncEngine]:
    return {
        name: create_engine(platform.create_database(f"mirror_{name}"), application="test", pool_size=2)
        for name in blueprints()
    }


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS)
async def test_postgresql_answers_as_memory_did(engines: dict[str, AsyncEngine], seed: int) -> None:
    played = History(script(seed))
    begun = {name: _contents(host.database) for name, host in played.world.hosts.items()}
    scribe = Scribe()
    with silence(), scribe.writing():
        outcome = played.play()
    assert not outcome.failures
    asked = 0
    for name, blueprint in blueprints().items():
        engine, host = engines[name], played.world.hosts[name]
        await _begin(engine, blueprint.metadata, begun[name])
        for transaction in scribe.transactions.get(id(host.database), []):
            with suppress(Undo):
                async with open_session(engine) as session:
                    for call in transaction.calls:
                        await _ask(session, call, f"{name}: {call.method} {call.arguments} {call.named}")
                        asked += 1
                    if not transaction.committed:
                        raise Undo
        await _compare(engine, blueprint.metadata, _contents(host.database), name)
    assert asked > 50


async def _begin(engine: AsyncEngine, metadata: MetaData, contents: Mapping[str, list[Any]]) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
    async with open_session(engine) as session:
        for table in metadata.sorted_tables:
            await session.insert(table, [_given(table, row) for row in contents.get(table.name, [])])


async def _ask(session: Session, call: Call, what: str) -> None:
    ask = getattr(session, call.method)
    if call.error is not None:
        with pytest.raises(call.error):
            await ask(*call.arguments, **call.named)
        raise Undo
    answer = await ask(*call.arguments, **call.named)
    table = call.arguments[0] if isinstance(call.arguments[0], Table) else None
    assert _alike(answer, table, call) == _alike(call.answer, table, call), what


def _alike(answer: Any, table: Table | None, call: Call) -> Any:
    """Without the server's own times; what has no order in one."""
    if not isinstance(answer, list):
        return answer
    if answer and isinstance(answer[0], dict):
        own = _own_times(table) if table is not None else frozenset()
        answer = [{name: value for name, value in row.items() if name not in own} for row in answer]
    # Where no order is asked for (ties, RETURNING) a server is free; the contract shows that it keeps what was asked.
    return sorted(answer, key=repr)


async def _compare(
    engine: AsyncEngine, metadata: MetaData, contents: Mapping[str, list[Any]], service: str
) -> None:
    async with open_session(engine) as session:
        for table in metadata.sorted_tables:
            there = [_shown(table, row) for row in await session.execute(table.select())]
            here = [_shown(table, row) for row in contents.get(table.name, [])]
            assert sorted(there, key=repr) == sorted(here, key=repr), f"{service}: {table.name}"


def _contents(database: Database) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for name, rows in database.tables.items():
        documents = rows.shape.documents
        found[name] = [
            {
                column: value.read() if column in documents and value is not None else value
                for column, value in row.items()
            }
            for row in rows.rows.values()
        ]
    return found


def _given(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """Without what the server counts itself."""
    return {name: value for name, value in row.items() if table.c[name].identity is None}


def _shown(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    own = _own_times(table)
    return {name: value for name, value in row.items() if name not in own}


def _own_times(table: Table) -> frozenset[str]:
    return frozenset(
        column.name
        for column in table.columns
        if isinstance(column.server_default, DefaultClause) and not isinstance(column.server_default.arg, str)
    )
