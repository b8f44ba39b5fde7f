"""Orders to look at, not to decide about."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select

from services.orders.domain.order import Order
from services.orders.store.orders import read_order
from services.orders.store.tables import order_timeline, orders
from shared.db.bulk import Row, Session
from shared.db.ids import first_id
from shared.value_object import value_object

_SUMMARY = (
    orders.c.id, orders.c.channel, orders.c.external_id, orders.c.state, orders.c.version, orders.c.placed_at,
    orders.c.changed_at, orders.c.is_open, orders.c.needs_attention, orders.c.currency, orders.c.total,
    orders.c.captured, orders.c.refunds, orders.c.customer_name, orders.c.customer_email,
)  # fmt: skip


@value_object
class Filter:
    """Which orders: every condition that is given must hold."""

    state: str | None = None
    channel: str | None = None
    external_id: str | None = None
    email: str | None = None
    placed_from: datetime | None = None
    placed_before: datetime | None = None
    needs_attention: bool = False


@value_object
class Stage:
    """Open orders of one state: how many, and the longest and the 95th percentile of seconds since they changed."""

    count: int
    longest: float
    long: float


class Listing:
    """Read-only views."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def page(self, wanted: Filter, after: str | None, limit: int) -> list[tuple[Row, Order]]:
        """Newest first, those behind the id `after`; each with the order, for what its facts tell."""
        query = select(*_SUMMARY, orders.c.facts).where(*_conditions(wanted), orders.c.placed_at.is_not(None))
        if after is not None:
            query = query.where(orders.c.id < after)
        rows = await self._session.execute(query.order_by(orders.c.id.desc()).limit(limit))
        return [(row, read_order(row)) for row in rows]

    async def whole(self, order_id: str) -> tuple[Row, Order] | None:
        """One order with its body and reservation; None if there is none."""
        query = select(orders).where(orders.c.id == order_id, orders.c.placed_at.is_not(None))
        rows = await self._session.execute(query)
        return (rows[0], read_order(rows[0])) if rows else None

    async def timeline(self, order_id: str) -> list[Row]:
        """Everything that happened to an order, oldest first."""
        query = select(order_timeline).where(order_timeline.c.order_id == order_id)
        return await self._session.execute(query.order_by(order_timeline.c.sequence))

    async def stages(self) -> dict[str, Stage]:
        """Open orders by state: how many, and how long ago they changed."""
        age = func.extract("epoch", func.now() - orders.c.changed_at)
        query = select(
            orders.c.state,
            func.count().label("count"),
            func.max(age).label("longest"),
            func.percentile_cont(0.95).within_group(age).label("long"),
        ).where(orders.c.is_open)
        return {
            row["state"]: Stage(row["count"], float(row["longest"]), float(row["long"]))
            for row in await self._session.execute(query.group_by(orders.c.state))
        }

    async def attention(self) -> int:
        """Orders that need a person."""
        return await self._count(orders.c.needs_attention)

    async def overdue(self) -> int:
        """Orders whose next look, due at a deadline, did not happen yet."""
        return await self._count(orders.c.deadline_at < func.now())

    async def _count(self, condition: ColumnElement[bool]) -> int:
        query = select(func.count().label("count")).where(condition)
        return int((await self._session.execute(query))[0]["count"])

    async def purge(self, over_since: datetime, expected_since: datetime, limit: int) -> int:
        """Delete orders that were over before, and cancellations that waited in vain; returns how many."""
        ids = await self._oldest(orders.c.placed_at.is_not(None) & ~orders.c.is_open, over_since, limit)
        ids += await self._oldest(orders.c.placed_at.is_(None), expected_since, limit - len(ids))
        await self._session.delete(order_timeline, "order_id", ids)
        return await self._session.delete(orders, "id", ids)

    async def _oldest(self, which: ColumnElement[bool], since: datetime, limit: int) -> list[str]:
        # Ids are as old as their rows: the walk along them ends at the first that is too young. Nothing is deleted
        # that a person should see.
        old = orders.c.id < first_id(since), orders.c.changed_at < since, ~orders.c.needs_attention
        query = select(orders.c.id).where(which, *old).order_by(orders.c.id).limit(limit)
        return [row["id"] for row in await self._session.execute(query.with_for_update(skip_locked=True))]


def _conditions(wanted: Filter) -> list[ColumnElement[Any]]:
    conditions: list[ColumnElement[Any]] = []
    if wanted.state is not None:
        conditions.append(orders.c.state == wanted.state)
        if wanted.state not in ("completed", "cancelled"):
            conditions.append(orders.c.is_open)
    if wanted.channel is not None:
        conditions.append(orders.c.channel == wanted.channel)
    if wanted.external_id is not None:
        conditions.append(orders.c.external_id == wanted.external_id)
    if wanted.email is not None:
        conditions.append(orders.c.customer_email == wanted.email.lower())
    if wanted.needs_attention:
        conditions.append(orders.c.needs_attention)
    # Ids rise with the time they were made, shortly before placed_at: so the primary key finds the range too.
    if wanted.placed_from is not None:
        conditions += [
            orders.c.placed_at >= wanted.placed_from,
            orders.c.id >= first_id(wanted.placed_from.astimezone(UTC) - timedelta(days=1)),
        ]
    if wanted.placed_before is not None:
        conditions += [
            orders.c.placed_at < wanted.placed_before,
            orders.c.id < first_id(wanted.placed_before.astimezone(UTC) + timedelta(days=1)),
        ]
    return conditions
