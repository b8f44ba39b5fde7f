"""Fulfilment orders: the row that everything about one order is decided under."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exists, null, select, update

from services.fulfillment.domain.order import Answer, FulfilmentOrder
from services.fulfillment.store.tables import fulfillment_orders, scans, shipments, timeline
from shared.db.bulk import Session
from shared.db.ids import first_id

_FACTS = ("order_id", "traceparent", "version", "confirmed", "cancel_reason", "answer")


class Orders:
    """Queries on `fulfillment_orders`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def claim(
        self, orders: Sequence[FulfilmentOrder], recipients: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, FulfilmentOrder]:
        """Writes the orders not heard of before, and returns the others as they are, locked.

        Either way the caller then holds every one of them: an insert waits for whoever inserts the same key.
        """
        rows = [
            {**_row(order), "recipient": recipients.get(order.order_id), "recorded_at": self._session.now}
            for order in sorted(orders, key=lambda order: order.order_id)
        ]
        fresh = await self._session.insert(
            fulfillment_orders, rows, ignore_duplicates=True, returning=("order_id",)
        )
        written = {row["order_id"] for row in fresh}
        return await self.lock([order.order_id for order in orders if order.order_id not in written])

    async def lock(self, order_ids: Collection[str]) -> dict[str, FulfilmentOrder]:
        """The facts of these orders, locked in the order of their ids."""
        rows = await self._session.fetch(fulfillment_orders, "order_id", order_ids, columns=_FACTS, lock=True)
        return {row["order_id"]: _order(row) for row in rows}

    async def update(self, orders: Sequence[FulfilmentOrder]) -> None:
        """Writes the facts of orders that the caller holds."""
        await self._session.update(fulfillment_orders, [_row(order) for order in orders], key=("order_id",))

    async def find(self, order_id: str) -> FulfilmentOrder | None:
        """One order, for reading."""
        rows = await self._session.fetch(fulfillment_orders, "order_id", [order_id], columns=_FACTS)
        return _order(rows[0]) if rows else None

    async def recipients(self, order_ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
        """To whom the parcels of these orders go; orders whose address was erased are left out."""
        rows = await self._session.fetch(
            fulfillment_orders, "order_id", order_ids, columns=("order_id", "recipient")
        )
        return {row["order_id"]: row["recipient"] for row in rows if row["recipient"] is not None}

    async def erase_recipients(self, before: datetime, limit: int) -> int:
        """Forgets the addresses of orders older than `before` whose parcels all ended; returns how many."""
        orders = fulfillment_orders
        on_the_way = exists().where(shipments.c.order_id == orders.c.order_id, shipments.c.ended_as.is_(None))
        due = (
            select(orders.c.order_id)
            .where(orders.c.recipient.is_not(None), orders.c.recorded_at < before, ~on_the_way)
            .order_by(orders.c.recorded_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        erase = update(orders).where(orders.c.order_id.in_(due)).values(recipient=null())
        return len(await self._session.execute(erase.returning(orders.c.order_id)))

    async def purge(self, placed_before: datetime, limit: int) -> int:
        """Delete orders placed before whose parcels all ended, with everything about them; returns how many orders."""
        orders = fulfillment_orders
        on_the_way = exists().where(shipments.c.order_id == orders.c.order_id, shipments.c.ended_as.is_(None))
        old = (
            select(orders.c.order_id)
            .where(orders.c.order_id < first_id(placed_before), ~on_the_way)
            .order_by(orders.c.order_id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        ids = [row["order_id"] for row in await self._session.execute(old)]
        parcels = await self._session.fetch(shipments, "order_id", ids, columns=("shipment_id",))
        for table in (scans, timeline, shipments):
            await self._session.delete(table, "shipment_id", [parcel["shipment_id"] for parcel in parcels])
        return await self._session.delete(orders, "order_id", ids)


def _row(order: FulfilmentOrder) -> dict[str, Any]:
    return {
        "order_id": order.order_id,
        "traceparent": order.trace,
        "version": order.version,
        "confirmed": order.confirmed,
        "cancel_reason": order.cancel_reason,
        "answer": order.answer.value if order.answer else None,
    }


def _order(row: Mapping[str, Any]) -> FulfilmentOrder:
    return FulfilmentOrder(
        order_id=row["order_id"],
        trace=row["traceparent"],
        confirmed=row["confirmed"],
        cancel_reason=row["cancel_reason"],
        answer=Answer(row["answer"]) if row["answer"] else None,
        version=row["version"],
    )
