"""Set-based statements: every kind of value survives, in one statement, whatever the number of rows."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from psycopg import AsyncCursor
from psycopg.errors import ReadOnlySqlTransaction
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    Double,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from deploy.local import Platform
from shared.db.bulk import Session
from shared.db.engine import create_engine
from shared.db.transaction import open_session
from shared.db.types import Json, Key, Timestamp

metadata = MetaData()
things = Table(
    "things",
    metadata,
    Column("id", Key, primary_key=True),
    Column("order", Text),  # a word of SQL
    Column("small", SmallInteger),
    Column("number", Integer),
    Column("big", BigInteger),
    Column("flag", Boolean),
    Column("ratio", Double),
    Column("price", Numeric(12, 2)),
    Column("day", Date),
    Column("at", Timestamp),
    Column("bytes", LargeBinary),
    Column("uid", Uuid),
    Column("doc", Json),
    Column("short", String(5)),
)
pairs = Table(
    "pairs",
    metadata,
    Column("sku", Key, primary_key=True),
    Column("place", Key, primary_key=True),
    Column("seq", BigInteger, Identity(), unique=True),
    Column("units", BigInteger, nullable=False),
)


class Colour(StrEnum):
    RED = "red"


EMPTY: dict[str, Any] = dict.fromkeys((column.name for column in things.columns), None)
FULL = {
    "order": "sélect 🂡 'quoted' \"twice\" {a,b} \\ NULL",
    "small": -(2**15),
    "number": 2**31 - 1,
    "big": -(2**63),
    "flag": False,
    "ratio": 0.1,
    "price": Decimal("-9999999999.99"),
    "day": date(1, 1, 1),
    "at": datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    "bytes": bytes(range(256)),
    "uid": uuid.UUID(int=2**128 - 1),
    "doc": {"ü": [1, 2.5, None, {"deep": ["🂡", True]}], "empty": {}, "big": 2**63 - 1},
    "short": "äöüßé",
}


@pytest.fixture
async def engine(platform: Platform) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(platform.create_database("bulk"), application="test", pool_size=2)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield engine
    await engine.dispose()


@pytest.fixture
async def session(engine: AsyncEngine) -> AsyncIterator[Session]:
    async with open_session(engine) as session:
        yield session


async def read(session: Session) -> dict[str, dict[str, Any]]:
    ids = [row["id"] for row in await session.execute(things.select())]
    return {row["id"]: row for row in await session.fetch(things, "id", ids)}


@pytest.mark.parametrize("write", ["insert", "upsert", "update"])
async def test_every_type_survives_beside_nulls(session: Session, write: str) -> None:
    rows = [
        {**EMPTY, "id": "all null"},
        {"id": "full", **FULL},
        {
            **EMPTY,
            "id": "plain",
            "small": 1,
            "number": 1,
            "big": 1,
            "ratio": 2,
            "price": Decimal(3),
            "doc": [],
        },
    ]
    if write == "insert":
        await session.insert(things, rows)
    elif write == "upsert":
        await session.upsert(things, rows, key=("id",))
        await session.upsert(things, rows, key=("id",))
    else:
        await session.insert(things, [{"id": row["id"]} for row in rows])
        assert await session.update(things, rows, key=("id",)) == 3
    assert await read(session) == {row["id"]: row for row in rows}


@pytest.mark.parametrize("column", sorted(set(FULL)))
async def test_a_column_may_be_null_in_every_row(session: Session, column: str) -> None:
    await session.insert(things, [{"id": "a", column: None}, {"id": "b", column: None}])
    assert [row[column] for row in (await read(session)).values()] == [None, None]
    await session.update(things, [{"id": "a", column: FULL[column]}], key=("id",))
    await session.update(things, [{"id": "a", column: None}], key=("id",))
    assert (await read(session))["a"][column] is None


async def test_values_of_one_column_may_differ_in_size(session: Session) -> None:
    bigs = [0, 1, 2**15, 2**31, 2**63 - 1, -1]
    ratios = [1, 0.5, None, 3, 1e300, -0.0]
    await session.insert(
        things,
        [
            {"id": str(n), "big": big, "ratio": ratio}
            for n, (big, ratio) in enumerate(zip(bigs, ratios, strict=True))
        ],
    )
    rows = (await read(session)).values()
    assert [row["big"] for row in rows] == bigs
    assert [row["ratio"] for row in rows] == ratios


async def test_words_of_an_enumeration_are_text(session: Session) -> None:
    await session.insert(things, [{"id": "a", "order": Colour.RED}, {"id": "b", "order": "red"}])
    found = await session.fetch(things, "order", [Colour.RED])
    assert {row["id"] for row in found} == {"a", "b"}


async def test_what_does_not_fit_is_refused_and_never_cut(engine: AsyncEngine) -> None:
    for faulty in ({"short": "longer"}, {"small": 2**15}, {"order": "a\x00b"}, {"doc": {"a": "\x00"}}):
        async with open_session(engine) as session:
            with pytest.raises(Exception, match=r"too long|out of range|0x00|\\u0000"):
                await session.insert(things, [{"id": "a", **faulty}])


async def test_rows_with_different_columns_are_refused(session: Session) -> None:
    with pytest.raises(ValueError, match="different columns"):
        await session.insert(things, [{"id": "a"}, {"id": "b", "number": 1}])
    with pytest.raises(KeyError):
        await session.insert(things, [{"id": "a", "number": 1}, {"id": "b", "big": 1}])


async def test_a_list_column_is_refused_at_once(session: Session) -> None:
    table = Table("lists", MetaData(), Column("id", Text), Column("tags", ARRAY(Text)))
    with pytest.raises(TypeError, match="JSONB"):
        await session.insert(table, [{"id": "a", "tags": ["x"]}])


async def test_composite_keys(session: Session) -> None:
    rows = [{"sku": f"s{n % 3}", "place": f"p{n // 3}", "units": n} for n in range(9)]
    await session.insert(pairs, rows)
    keys = [("s2", "p0"), ("s0", "p2"), ("s2", "p0"), ("s0", "none"), ("S0", "p0")]
    found = await session.fetch_pairs(pairs, ("sku", "place"), keys, lock=True)
    assert [(row["sku"], row["place"], row["units"]) for row in found] == [("s0", "p2", 6), ("s2", "p0", 2)]
    changed = [{"sku": "s0", "place": "p2", "units": 60}, {"sku": "s9", "place": "p9", "units": 99}]
    assert await session.update(pairs, changed, key=("sku", "place")) == 1
    await session.upsert(pairs, list(reversed(changed)), key=("sku", "place"))
    assert {row["units"] for row in await session.fetch(pairs, "sku", ["s0", "s9"])} == {0, 3, 60, 99}
    assert await session.delete(pairs, "sku", ["s9", "s9", "none"]) == 1


async def test_inserts_keep_their_order_and_say_which_were_new(session: Session) -> None:
    rows = [{"sku": str(n), "place": "p", "units": n} for n in (5, 3, 9, 1)]
    await session.insert(pairs, rows)
    assert [row["units"] for row in await session.fetch(pairs, "place", ["p"], order_by=("seq",))] == [
        5,
        3,
        9,
        1,
    ]
    again = [*rows, {"sku": "new", "place": "p", "units": 0}, {"sku": "new", "place": "p", "units": 0}]
    fresh = await session.insert(pairs, again, ignore_duplicates=True, returning=("sku",))
    assert fresh == [{"sku": "new"}]


async def test_one_statement_whatever_the_rows_and_none_for_nothing(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = []
    execute = AsyncCursor.execute

    async def counted(cursor: Any, query: Any, *arguments: Any, **more: Any) -> Any:
        if b"pairs" in (query if isinstance(query, bytes) else str(query).encode()):
            statements.append(query)  # Services that run in this loop for other tests speak, too.
        return await execute(cursor, query, *arguments, **more)

    monkeypatch.setattr(AsyncCursor, "execute", counted)
    many = [{"sku": f"{n:04}", "place": "p", "units": n} for n in range(2_000)]
    keys = [(row["sku"], "p") for row in many]
    for rows, count in ((many, 1), ([], 0)):
        for work in (
            lambda rows=rows: session.insert(pairs, rows, ignore_duplicates=True, returning=("sku",)),
            lambda rows=rows: session.update(pairs, rows, key=("sku", "place")),
            lambda rows=rows: session.upsert(pairs, rows, key=("sku", "place")),
            lambda rows=rows: session.fetch(pairs, "sku", [row["sku"] for row in rows], lock=True),
            lambda rows=rows: session.fetch_pairs(pairs, ("sku", "place"), keys if rows else []),
            lambda rows=rows: session.delete(pairs, "sku", [row["sku"] for row in rows]),
        ):
            statements.clear()
            await work()
            assert len(statements) == count


async def test_locks_are_taken_in_the_order_of_python_and_keep_others_out(engine: AsyncEngine) -> None:
    names = ["b", "B", "a", "ä", "_", "Z", "10", "9"]
    async with open_session(engine) as session:
        await session.insert(things, [{"id": name} for name in names])
    async with open_session(engine) as session:
        rows = await session.fetch(things, "id", names, lock=True)
        assert [row["id"] for row in rows] == sorted(names)
        async with open_session(engine) as second:
            await second._driver.execute("SET LOCAL lock_timeout = '50ms'")
            with pytest.raises(Exception, match="lock timeout"):
                await second.fetch(things, "id", ["a"], lock=True)


async def test_time_is_utc_whatever_the_server_thinks(platform: Platform) -> None:
    url = platform.create_database("zone")
    engine = create_engine(url, application="test", pool_size=2)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("SELECT 1")
        name = engine.url.database
        await connection.exec_driver_sql(f"ALTER DATABASE \"{name}\" SET timezone = 'Asia/Kolkata'")
    await engine.dispose()
    async with open_session(engine) as session:
        now = session.now
        assert now.utcoffset() == timedelta(0)
        assert abs(now - datetime.now(UTC)) < timedelta(minutes=1)
    await engine.dispose()


async def test_a_connection_that_the_server_closed_is_replaced_unnoticed(engine: AsyncEngine) -> None:
    async with open_session(engine) as session, open_session(engine):
        [own] = await session.execute(text("SELECT pg_backend_pid() AS pid"))
    others = (
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database()"
    )
    watcher = create_async_engine(engine.url)
    async with watcher.connect() as connection:
        await connection.execute(text(f"{others} AND pid <> pg_backend_pid()"))
    await watcher.dispose()
    async with open_session(engine) as session:
        [now] = await session.execute(text("SELECT pg_backend_pid() AS pid"))
    assert now["pid"] != own["pid"]


async def test_what_was_begun_is_rolled_back_after_an_error(engine: AsyncEngine) -> None:
    for fault in (ValueError, asyncio.CancelledError):
        with pytest.raises(fault):
            async with open_session(engine) as session:
                await session.insert(things, [{"id": "a"}])
                raise fault
    async with open_session(engine) as session:
        assert await read(session) == {}
        assert session.now is not None


async def test_a_view_is_one_snapshot_and_changes_nothing(engine: AsyncEngine) -> None:
    async with open_session(engine, "ISOLATION LEVEL REPEATABLE READ READ ONLY") as view:
        assert await read(view) == {}
        async with open_session(engine) as other:
            await other.insert(things, [{"id": "a"}])
        assert await read(view) == {}
        with pytest.raises(ReadOnlySqlTransaction):
            await view.insert(things, [{"id": "b"}])
            raise AssertionError("a view let somebody write")
