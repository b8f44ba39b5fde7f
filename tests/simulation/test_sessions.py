"""The session in memory keeps the contract; tests/component/memory asks the same of PostgreSQL."""

import pytest
from sqlalchemy import func, select, text

from tests.simulation.memory import Database, MemorySession
from tests.simulation.sessions import CASES, MOMENT, Case, metadata, others, things


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_memory(case: Case) -> None:
    await case(MemorySession(Database(metadata), MOMENT))


async def test_a_rollback_leaves_no_trace_but_the_numbers_that_were_drawn() -> None:
    database = Database(metadata)
    session = MemorySession(database, MOMENT)
    await session.insert(things, [{"id": "a", "count": 1, "name": "n", "owner": "o"}])
    await session.insert(others, [{"thing": "a", "place": "x", "units": 1}])
    database.commit()
    before = [dict(row) for row in database.tables[things.name].rows.values()]

    await session.update(things, [{"id": "a", "count": 2, "name": "m"}], key=("id",))
    await session.insert(things, [{"id": "b", "name": "n", "owner": "o"}])
    await session.delete(others, "thing", ["a"])
    await session.upsert(others, [{"thing": "a", "place": "y", "units": 3}], key=("thing", "place"))
    database.rollback()

    assert list(database.tables[things.name].rows.values()) == before
    assert [row["place"] for row in await session.fetch(others, "thing", ["a"])] == ["x"]
    assert await session.insert(things, [{"id": "c"}], returning=("serial",)) == [{"serial": 3}]
    taken = [{"id": "d", "name": "n", "owner": "o"}]
    assert await session.insert(things, taken, ignore_duplicates=True, returning=("id",)) == []


async def test_a_form_of_statement_that_is_not_known_is_refused() -> None:
    session = MemorySession(Database(metadata), MOMENT)
    await session.insert(things, [{"id": "a"}])
    for statement in (
        text("SELECT 1"),
        select(things.c.id).outerjoin(others, others.c.thing == things.c.id),
        select(func.lower(things.c.id)),
        select(things.c.id).where(things.c.id.like("a%")),
    ):
        with pytest.raises((NotImplementedError, KeyError)):
            await session.execute(statement)
