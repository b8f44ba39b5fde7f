"""Returns: loaded with their orders, searched for people."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import func, select, tuple_

from services.returns.domain.returns import Return, State
from services.returns.store.return_rows import from_row, to_row
from services.returns.store.tables import returnables, returns
from shared.db.bulk import Session
from shared.value_object import value_object

Position = tuple[datetime, str]
"""Where a page ends: the time of authorisation and the id of its last return."""


@value_object
class Filter:
    """Which returns to list."""

    state: str | None = None
    order_id: str | None = None
    origin: str | None = None


class Returns:
    """Queries on `returns`. Their orders' locks are theirs: no return changes without its order held."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def of_orders(self, order_ids: Collection[str]) -> dict[str, dict[str, Return]]:
        """Order id -> its returns by id, oldest first."""
        rows = await self._session.fetch(
            returns, "order_id", order_ids, order_by=("order_id", "authorized_at", "return_id")
        )
        found: dict[str, dict[str, Return]] = {}
        for row in rows:
            found.setdefault(row["order_id"], {})[row["return_id"]] = from_row(row)
        return found

    async def order_ids(self, return_ids: Collection[str]) -> set[str]:
        """The orders of these returns; unknown ids are left out."""
        columns = ("return_id", "order_id")
        rows = await self._session.fetch(returns, "return_id", return_ids, columns=columns)
        return {row["order_id"] for row in rows}

    async def insert(self, new: Sequence[Return]) -> None:
        """Writes new returns of orders that the caller holds."""
        await self._session.insert(returns, [to_row(each) for each in new])

    async def update(self, changed: Sequence[Return]) -> None:
        """Writes changed returns of orders that the caller holds."""
        await self._session.update(returns, [to_row(each) for each in changed], key=("return_id",))

    async def find(self, return_id: str) -> Return | None:
        """One return, for reading."""
        rows = await self._session.fetch(returns, "return_id", [return_id])
        return from_row(rows[0]) if rows else None

    async def page(self, wanted: Filter, after: Position | None, limit: int) -> list[Return]:
        """Returns from the oldest on, after a position."""
        query = select(returns)
        for name in ("state", "order_id", "origin"):
            value = getattr(wanted, name)
            if value is not None:
                query = query.where(returns.c[name] == value)
        if after is not None:
            query = query.where(tuple_(returns.c.authorized_at, returns.c.return_id) > after)
        query = query.order_by(returns.c.authorized_at, returns.c.return_id).limit(limit)
        return [from_row(row) for row in await self._session.execute(query)]

    async def due(self, now: datetime, limit: int) -> list[tuple[str, str]]:
        """(order id, return id) of returns whose goods never came; their orders are locked unless others hold them."""
        query = (
            select(returns.c.order_id, returns.c.return_id)
            .join(returnables, returnables.c.order_id == returns.c.order_id)
            .where(returns.c.state == State.AUTHORIZED.value, returns.c.expires_at <= now)
            .order_by(returns.c.expires_at, returns.c.order_id)
            .limit(limit)
            .with_for_update(of=returnables, skip_locked=True)
        )
        return [(row["order_id"], row["return_id"]) for row in await self._session.execute(query)]

    async def open_by_state(self) -> dict[str, int]:
        """How many returns wait for goods and for money."""
        waiting = returns.c.state.in_((State.AUTHORIZED.value, State.RECEIVED.value))
        query = (
            select(returns.c.state, func.count().label("returns")).where(waiting).group_by(returns.c.state)
        )
        return {row["state"]: row["returns"] for row in await self._session.execute(query)}
