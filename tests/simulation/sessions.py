"""What stores may expect of a Session, asked of the one in memory and of PostgreSQL: one list of cases for both.

Each case gets a session with the empty tables of `metadata`, in a transaction that is rolled back afterwards.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from uuid import UUID

import pytest
from psycopg.errors import CardinalityViolation, CheckViolation, NotNullViolation, UniqueViolation
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    MetaData,
    Sequence,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    delete,
    func,
    select,
    tuple_,
    update,
)

from shared.db.bulk import Session
from shared.db.types import Json, Key, Timestamp

metadata = MetaData()
numbers = Sequence("contract_numbers", metadata=metadata)
things = Table(
    "contract_things",
    metadata,
    Column("id", Key, primary_key=True),
    Column("serial", BigInteger, Identity()),
    Column("kind", Text, nullable=False, server_default="plain"),
    Column("count", Integer, nullable=False, server_default="0"),
    Column("at", Timestamp, nullable=False, server_default=func.now()),
    Column("flag", Boolean),
    Column("name", Key),
    Column("owner", Key),
    Column("uid", Uuid),
    Column("doc", Json),
    UniqueConstraint("owner", "name"),
    Index("contract_things_uid", "uid", unique=True),
    CheckConstraint("count >= 0 AND count <= 100", name="contract_count"),
)
others = Table(
    "contract_others",
    metadata,
    Column("thing", Key, primary_key=True),
    Column("place", Key, primary_key=True),
    Column("units", Integer, nullable=False),
)

MOMENT = datetime(2026, 1, 31, 12, tzinfo=UTC)
Case = Callable[[Session], Awaitable[None]]


class Colour(StrEnum):
    RED = "red"


async def everything_comes_back_as_it_went(session: Session) -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    row = {
        "id": "a", "kind": Colour.RED, "count": 7, "at": MOMENT.astimezone(india), "flag": False, "name": None,
        "uid": UUID(int=5), "doc": {"ü": [1, 2.5, None, {"deep": True}], "empty": {}, "list": []},
    }  # fmt: skip
    await session.insert(things, [row])
    (found,) = await session.fetch(things, "id", ["a"])
    assert found == {**row, "kind": "red", "serial": 1, "owner": None}
    assert found["at"].utcoffset() == timedelta(0)


async def documents_are_copies_with_keys_in_the_servers_order(session: Session) -> None:
    document = {"long": 1, "b": {"zz": 1, "y": 2}, "a": (1, 2), "ää": None}
    await session.insert(things, [{"id": "a", "doc": document}, {"id": "b", "doc": None}])
    document["b"] = "changed"
    found = await session.fetch(things, "id", ["a", "b"], columns=("id", "doc"))
    assert found[0]["doc"] == {"a": [1, 2], "b": {"y": 2, "zz": 1}, "ää": None, "long": 1}
    assert list(found[0]["doc"]) == ["a", "b", "long", "ää"]  # by length in bytes, then by bytes
    assert list(found[0]["doc"]["b"]) == ["y", "zz"]
    assert found[1]["doc"] is None
    found[0]["doc"]["a"].append(3)
    assert (await session.fetch(things, "id", ["a"]))[0]["doc"]["a"] == [1, 2]


async def defaults_are_filled_in(session: Session) -> None:
    returned = await session.insert(things, [{"id": "a"}], returning=("kind", "count", "at"))
    assert returned == [{"kind": "plain", "count": 0, "at": session.now}]


async def rows_come_in_the_order_of_bytes_and_nulls_last(session: Session) -> None:
    names = ["b", "B", "a", "ä", "_", "Z", "10", "9"]
    rows = [{"id": name, "name": name if name != "B" else None} for name in names]
    await session.insert(things, rows)
    found = await session.fetch(things, "id", [*names, "none"], lock=True)
    assert [row["id"] for row in found] == sorted(names)
    by_name = await session.fetch(things, "id", names, order_by=("name",), columns=("id",))
    assert [row["id"] for row in by_name] == [*sorted(set(names) - {"B"}), "B"]


async def inserts_keep_their_order_and_say_which_were_new(session: Session) -> None:
    await session.insert(things, [{"id": name} for name in ("c", "a", "b")])
    found = await session.fetch(things, "kind", ["plain"], order_by=("serial",), columns=("id",))
    assert [row["id"] for row in found] == ["c", "a", "b"]
    again = [{"id": "a"}, {"id": "n"}, {"id": "n"}]
    assert await session.insert(things, again, ignore_duplicates=True, returning=("id",)) == [{"id": "n"}]


async def what_is_new_is_told_unless_all_is(session: Session) -> None:
    await session.insert(things, [{"id": "a"}])
    assert await session.insert_missing(things, [{"id": "b"}, {"id": "a"}], key="id") == ["b"]
    assert await session.insert_missing(things, [{"id": "c"}, {"id": "d"}], key="id") is None
    assert await session.insert_missing(things, [{"id": "c"}, {"id": "d"}], key="id") == []
    assert await session.insert_missing(things, [], key="id") is None


async def documents_may_be_bytes_and_uuids_text(session: Session) -> None:
    await session.insert(things, [{"id": "a", "doc": b'{"n": [1]}', "uid": str(UUID(int=9))}])
    (found,) = await session.fetch(things, "id", ["a"], columns=("doc", "uid"))
    assert found == {"doc": {"n": [1]}, "uid": UUID(int=9)}
    same = [{"id": "b", "uid": UUID(int=9)}]
    assert await session.insert(things, same, ignore_duplicates=True, returning=("id",)) == []


async def any_unique_constraint_makes_a_duplicate_and_nulls_are_never_equal(session: Session) -> None:
    await session.insert(things, [{"id": "a", "owner": "o", "name": "n", "uid": UUID(int=1)}])
    rows = [
        {"id": "b", "owner": "o", "name": "n", "uid": UUID(int=2)},
        {"id": "c", "owner": "o", "name": "other", "uid": UUID(int=1)},
        {"id": "d", "owner": "o", "name": None, "uid": None},
        {"id": "e", "owner": "o", "name": None, "uid": None},
    ]
    fresh = await session.insert(things, rows, ignore_duplicates=True, returning=("id",))
    assert [row["id"] for row in fresh] == ["d", "e"]


async def a_duplicate_is_an_error_unless_it_is_to_be_ignored(session: Session) -> None:
    await session.insert(things, [{"id": "a"}])
    with pytest.raises(UniqueViolation):
        await session.insert(things, [{"id": "a"}])


async def an_update_that_makes_a_duplicate_is_an_error(session: Session) -> None:
    await session.insert(things, [{"id": name, "owner": "o", "name": name} for name in "ab"])
    with pytest.raises(UniqueViolation):
        await session.update(things, [{"id": "a", "name": "b"}], key=("id",))


async def nothing_may_be_null_that_must_not(session: Session) -> None:
    with pytest.raises(NotNullViolation):
        await session.insert(things, [{"id": "a", "count": None}])


async def checks_hold_for_updates(session: Session) -> None:
    await session.insert(things, [{"id": "a", "count": 100}])
    with pytest.raises(CheckViolation):
        await session.update(things, [{"id": "a", "count": -1}], key=("id",))


async def rows_with_different_columns_are_refused(session: Session) -> None:
    with pytest.raises((ValueError, KeyError)):
        await session.insert(things, [{"id": "a", "count": 1}, {"id": "b", "name": "n"}])


async def updates_count_what_matched_and_keep_the_rest(session: Session) -> None:
    await session.insert(others, [{"thing": t, "place": p, "units": 1} for t in "ab" for p in "xy"])
    rows = [{"thing": "a", "place": "x", "units": 5}, {"thing": "z", "place": "x", "units": 9}]
    assert await session.update(others, rows, key=("thing", "place")) == 1
    found = await session.fetch_pairs(
        others, ("thing", "place"), [("b", "y"), ("a", "x"), ("a", "x"), ("a", "z")]
    )
    assert [(row["thing"], row["place"], row["units"]) for row in found] == [("a", "x", 5), ("b", "y", 1)]
    assert await session.fetch_pairs(others, ("place", "units"), [("x", 1)], lock=True) == [
        {"thing": "b", "place": "x", "units": 1}
    ]


async def upserts_insert_or_change_each_once(session: Session) -> None:
    rows = [{"thing": "b", "place": "x", "units": 2}, {"thing": "a", "place": "x", "units": 1}]
    await session.upsert(others, rows, key=("thing", "place"))
    await session.upsert(others, [{"thing": "a", "place": "x", "units": 7}], key=("thing", "place"))
    found = await session.fetch(others, "place", ["x"], order_by=("thing",))
    assert [row["units"] for row in found] == [7, 2]
    with pytest.raises(CardinalityViolation):
        await session.upsert(others, [rows[0], rows[0]], key=("thing", "place"))


async def deletes_count_what_was_there(session: Session) -> None:
    await session.insert(others, [{"thing": t, "place": "x", "units": 1} for t in "abc"])
    assert await session.delete(others, "thing", ["a", "a", "z"]) == 1
    assert await session.delete(others, "thing", []) == 0
    assert [row["thing"] for row in await session.fetch(others, "place", ["x"], order_by=("thing",))] == [
        "b",
        "c",
    ]


async def nothing_is_asked_for_nothing(session: Session) -> None:
    assert await session.fetch(things, "id", []) == []
    assert await session.fetch_pairs(things, ("id", "kind"), []) == []
    assert await session.insert(things, [], returning=("id",)) == []
    assert await session.update(things, [], key=("id",)) == 0
    await session.upsert(things, [], key=("id",))


async def statements_choose_and_sort_and_limit(session: Session) -> None:
    rows = [{"id": str(n), "count": n, "name": None if n == 3 else str(n)} for n in range(6)]
    await session.insert(things, rows)
    t = things.c
    query = select(t.id, t.count.label("n")).where(t.count > 1, t.name.is_not(None)).order_by(t.count.desc())
    assert await session.execute(query.limit(2)) == [{"id": "5", "n": 5}, {"id": "4", "n": 4}]
    either = select(t.id).where((t.count < 1) | t.name.is_(None)).order_by(t.id)
    assert await session.execute(either) == [{"id": "0"}, {"id": "3"}]
    unlike = (
        select(t.id)
        .where(t.name.is_distinct_from("2"), t.count.in_([2, 3]))
        .with_for_update(skip_locked=True)
    )
    assert await session.execute(unlike) == [{"id": "3"}]
    assert await session.execute(select(t.id).where(~t.name.in_(["0", "1", "2", "5"])).order_by(t.id)) == [
        {"id": "4"}
    ]


async def statements_count_and_group(session: Session) -> None:
    rows = [{"id": str(n), "kind": "even" if n % 2 == 0 else "odd", "count": n} for n in range(5)]
    await session.insert(things, rows)
    t = things.c
    query = select(t.kind, func.count().label("rows"), func.min(t.count).label("least")).group_by(t.kind)
    found = {row["kind"]: (row["rows"], row["least"]) for row in await session.execute(query)}
    assert found == {"even": (3, 0), "odd": (2, 1)}
    none = select(func.count().label("rows"), func.min(t.count).label("least")).where(t.kind == "no")
    assert await session.execute(none) == [{"rows": 0, "least": None}]


async def statements_join(session: Session) -> None:
    await session.insert(things, [{"id": name, "doc": {"name": name}} for name in "ab"])
    await session.insert(others, [{"thing": t, "place": p, "units": 1} for t, p in ("ax", "ay", "cx")])
    query = (
        select(others.c.place, things.c.doc)
        .join(things, things.c.id == others.c.thing)
        .order_by(others.c.place)
    )
    assert await session.execute(query) == [
        {"place": "x", "doc": {"name": "a"}},
        {"place": "y", "doc": {"name": "a"}},
    ]


async def statements_update_what_a_subquery_chose(session: Session) -> None:
    await session.insert(things, [{"id": str(n), "count": n} for n in range(4)])
    t = things.c
    chosen = (
        select(t.id).where(t.count > 0).order_by(t.count).limit(2).with_for_update(skip_locked=True).cte("c")
    )
    change = (
        update(things)
        .where(t.id.in_(select(chosen.c.id)))
        .values(count=t.count + 10)
        .returning(t.id, t.count)
    )
    rows = await session.execute(change)
    assert sorted((row["id"], row["count"]) for row in rows) == [("1", 11), ("2", 12)]
    assert await session.execute(update(things).values(kind="all")) == []
    assert len(await session.fetch(things, "kind", ["all"])) == 4


async def statements_delete(session: Session) -> None:
    await session.insert(others, [{"thing": t, "place": p, "units": 1} for t in "ab" for p in "xy"])
    pairs = tuple_(others.c.thing, others.c.place)
    await session.execute(delete(others).where(pairs.in_([("a", "x"), ("b", "y"), ("c", "z")])))
    gone = delete(others).where(others.c.thing == "a").returning(others.c.place)
    assert await session.execute(gone) == [{"place": "y"}]
    assert await session.execute(select(others.c.thing)) == [{"thing": "b"}]


async def sequences_give_every_number_once(session: Session) -> None:
    query = select(numbers.next_value().label("number")).select_from(func.generate_series(1, 3))
    first = [row["number"] for row in await session.execute(query)]
    second = [row["number"] for row in await session.execute(query)]
    assert len({*first, *second}) == 6
    assert sorted(first) == first


CASES: tuple[Case, ...] = (
    everything_comes_back_as_it_went, documents_are_copies_with_keys_in_the_servers_order, defaults_are_filled_in,
    rows_come_in_the_order_of_bytes_and_nulls_last, inserts_keep_their_order_and_say_which_were_new,
    what_is_new_is_told_unless_all_is, documents_may_be_bytes_and_uuids_text,
    any_unique_constraint_makes_a_duplicate_and_nulls_are_never_equal,
    a_duplicate_is_an_error_unless_it_is_to_be_ignored, an_update_that_makes_a_duplicate_is_an_error,
    nothing_may_be_null_that_must_not, checks_hold_for_updates, rows_with_different_columns_are_refused,
    updates_count_what_matched_and_keep_the_rest, upserts_insert_or_change_each_once, deletes_count_what_was_there,
    nothing_is_asked_for_nothing, statements_choose_and_sort_and_limit, statements_count_and_group, statements_join,
    statements_update_what_a_subquery_chose, statements_delete, sequences_give_every_number_once,
)  # fmt: skip
