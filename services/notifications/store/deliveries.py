"""Deliveries: writing each once, claiming what is due, finding."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Integer, bindparam, delete, func, literal_column, select, update

from services.notifications.domain.delivery import Delivery, State
from services.notifications.store.tables import deliveries
from shared.db.bulk import Session

_COLUMNS = tuple(column.name for column in deliveries.columns)
_QUEUED: Any = literal_column(f"'{State.QUEUED.value}'")
# The state is a literal, not a parameter: only then a prepared plan can use the partial index.
_DUE = (deliveries.c.state == _QUEUED) & (deliveries.c.due_at <= bindparam("now"))
_ANY_DUE = select(deliveries.c.delivery_id).where(_DUE).limit(1)
_LONGEST_DUE = (
    select(deliveries.c.delivery_id)
    .where(_DUE)
    .order_by(deliveries.c.due_at, deliveries.c.delivery_id)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True)
    .cte("due")
)
_CLAIM = (
    update(deliveries)
    .where(deliveries.c.delivery_id.in_(select(_LONGEST_DUE.c.delivery_id)))
    .values(attempts=deliveries.c.attempts + 1, due_at=bindparam("due_again"))
    .returning(*deliveries.columns)
)


class Deliveries:
    """Queries on `deliveries`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, opened: Sequence[Delivery]) -> None:
        """Write deliveries; one about the same thing, to the same recipient, by the same template stays as it is."""
        rows = sorted((_row(delivery) for delivery in opened), key=_business_key)
        await self._session.insert(deliveries, rows, ignore_duplicates=True)

    async def waiting(self, order_ids: Collection[str]) -> list[Delivery]:
        """What waits for the contacts of these orders; the caller holds the contacts."""
        keys = [(order_id, State.WAITING.value) for order_id in order_ids]
        rows = await self._session.fetch_pairs(deliveries, ("order_id", "state"), keys, lock=True)
        return [_delivery(row) for row in rows]

    async def lock(self, delivery_ids: Collection[str]) -> dict[str, Delivery]:
        """These deliveries, locked in the order of their ids."""
        rows = await self._session.fetch(deliveries, "delivery_id", delivery_ids, lock=True)
        return {row["delivery_id"]: _delivery(row) for row in rows}

    async def update(self, changed: Sequence[Delivery]) -> None:
        """Write deliveries that the caller holds."""
        await self._session.update(deliveries, [_row(delivery) for delivery in changed], key=("delivery_id",))

    async def any_due(self) -> bool:
        """Whether something is to be sent; one look at a small index."""
        return bool(await self._session.execute(_ANY_DUE, {"now": self._session.now}))

    async def claim(self, limit: int, lease: timedelta) -> list[Delivery]:
        """Take up to `limit` deliveries that are due, longest due first, and count an attempt at each.

        They are not due again until `lease` has passed, which is how a crash in between is healed.
        What another process is claiming at this moment is passed over.
        """
        now = self._session.now
        rows = await self._session.execute(_CLAIM, {"now": now, "most": limit, "due_again": now + lease})
        return sorted((_delivery(row) for row in rows), key=lambda row: (row.queued_at, row.delivery_id))

    async def find(self, delivery_id: str) -> Delivery | None:
        """One delivery, for reading."""
        rows = await self._session.fetch(deliveries, "delivery_id", [delivery_id])
        return _delivery(rows[0]) if rows else None

    async def page(
        self, *, order_id: str | None, state: str | None, template: str | None, after: str | None, limit: int
    ) -> list[Delivery]:
        """Up to `limit` deliveries older than `after`, newest first (their ids rise with time)."""
        query = select(deliveries).order_by(deliveries.c.delivery_id.desc()).limit(limit)
        for column, value in (("order_id", order_id), ("state", state), ("template", template)):
            if value is not None:
                query = query.where(deliveries.c[column] == value)
        if after is not None:
            query = query.where(deliveries.c.delivery_id < after)
        return [_delivery(row) for row in await self._session.execute(query)]

    async def backlog(self) -> dict[str, tuple[int, float]]:
        """For what is queued and what waits: how many, and the age of the oldest in seconds."""
        columns = (
            deliveries.c.state,
            func.count().label("count"),
            func.min(deliveries.c.queued_at).label("oldest"),
        )
        unfinished = (State.QUEUED.value, State.WAITING.value)
        query = select(*columns).where(deliveries.c.state.in_(unfinished)).group_by(deliveries.c.state)
        found = {row["state"]: row for row in await self._session.execute(query)}
        return {
            state: (found[state]["count"], (self._session.now - found[state]["oldest"]).total_seconds())
            if state in found
            else (0, 0.0)
            for state in unfinished
        }

    async def purge(self, age: timedelta, limit: int) -> int:
        """Delete deliveries older than `age`, at most `limit`; returns how many."""
        old = (
            select(deliveries.c.delivery_id)
            .where(deliveries.c.created_at < self._session.now - age)
            .order_by(deliveries.c.created_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        gone = delete(deliveries).where(deliveries.c.delivery_id.in_(old)).returning(deliveries.c.delivery_id)
        return len(await self._session.execute(gone))


def _row(delivery: Delivery) -> dict[str, Any]:
    return {name: getattr(delivery, name) for name in _COLUMNS} | {"state": delivery.state.value}


def _business_key(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return row["order_id"], row["template"], row["cause"], row["recipient"]


def _delivery(row: Mapping[str, Any]) -> Delivery:
    return Delivery(**{**row, "state": State(row["state"])})
