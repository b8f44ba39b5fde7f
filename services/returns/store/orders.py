"""Orders of which something may come back: the rows that everything is decided under."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg.errors import SerializationFailure
from sqlalchemy import exists, select

from services.returns.domain.order import ReturnableOrder
from services.returns.domain.returns import State
from services.returns.store.order_rows import confirmation, facts
from services.returns.store.tables import returnables, returns
from shared.db.bulk import Session
from shared.db.ids import first_id


class Orders:
    """Queries on `returnables`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def lock(self, order_ids: Collection[str]) -> list[dict[str, Any]]:
        """The rows of these orders, locked in the order of their ids; unknown ids are left out."""
        return await self._session.fetch(returnables, "order_id", order_ids, lock=True)

    async def find(self, order_ids: Collection[str]) -> list[dict[str, Any]]:
        """The rows of these orders, for reading."""
        return await self._session.fetch(returnables, "order_id", order_ids)

    async def named(self, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """(channel, external id) -> order id, of orders that were confirmed."""
        rows = await self._session.fetch_pairs(returnables, ("channel", "external_id"), names)
        return {(row["channel"], row["external_id"]): row["order_id"] for row in rows}

    async def insert(self, orders: Sequence[ReturnableOrder]) -> None:
        """Writes orders heard of for the first time.

        Raises SerializationFailure, after which the transaction is tried again, if another process wrote one
        meanwhile: its facts must be joined with these, not lost.
        """
        rows = [{"traceparent": order.trace, **facts(order), **confirmation(order)} for order in orders]
        written = await self._session.insert(
            returnables, rows, ignore_duplicates=True, returning=("order_id",)
        )
        if len(written) < len(rows):
            raise SerializationFailure("an order was first heard of by two processes at once")

    async def update(self, orders: Sequence[ReturnableOrder]) -> None:
        """Writes what changed of orders that the caller holds, except their confirmation."""
        await self._session.update(returnables, [facts(order) for order in orders], key=("order_id",))

    async def confirm(self, orders: Sequence[ReturnableOrder]) -> None:
        """Writes everything of orders that the caller holds and whose confirmation came."""
        rows: list[Mapping[str, Any]] = [facts(order) | confirmation(order) for order in orders]
        await self._session.update(returnables, rows, key=("order_id",))

    async def purge(self, placed_before: datetime, limit: int) -> int:
        """Delete orders placed before, with their returns, unless one still waits; returns how many orders."""
        waiting = returns.c.state.in_((State.AUTHORIZED.value, State.RECEIVED.value))
        old = (
            select(returnables.c.order_id)
            .where(returnables.c.order_id < first_id(placed_before))
            .where(~exists().where(returns.c.order_id == returnables.c.order_id, waiting))
            .order_by(returnables.c.order_id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        ids = [row["order_id"] for row in await self._session.execute(old)]
        await self._session.delete(returns, "order_id", ids)
        return await self._session.delete(returnables, "order_id", ids)
