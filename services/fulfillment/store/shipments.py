"""Parcels: held for decisions, searched for people."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, Select, bindparam, func, select, tuple_

from services.fulfillment.domain.carrier import Consignment
from services.fulfillment.domain.shipment import Shipment
from services.fulfillment.store.shipment_rows import FACTS, from_row, to_new_row, to_row
from services.fulfillment.store.tables import fulfillment_orders, serials, shipments
from shared.db.bulk import Session
from shared.value_object import value_object

Position = tuple[datetime, str]
"""Where a page ends: the creation time and id of its last parcel."""

_CONSIGNMENTS = (
    select(*(shipments.c[name] for name in FACTS), shipments.c.sender, fulfillment_orders.c.recipient)
    .join(fulfillment_orders, fulfillment_orders.c.order_id == shipments.c.order_id)
    .where(shipments.c.shipment_id.in_(bindparam("shipment_ids", expanding=True)))
)
_NEXT_SERIALS = select(serials.next_value().label("serial")).select_from(
    func.generate_series(1, bindparam("count", type_=Integer))
)


@value_object
class Filter:
    """Which parcels to list."""

    state: str | None = None
    place_id: str | None = None
    order_id: str | None = None
    attention: bool = False


class Shipments:
    """Queries on `shipments`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def create(self, parcels: Sequence[tuple[Shipment, Mapping[str, Any]]]) -> set[str]:
        """New parcels, each with the place that sends it; returns the ids that others have already."""
        rows = [to_new_row(shipment, sender) for shipment, sender in parcels]
        new = await self._session.insert_missing(shipments, rows, key="shipment_id")
        return set() if new is None else set(Counter(row["shipment_id"] for row in rows) - Counter(new))

    async def order_ids(self, shipment_ids: Collection[str]) -> set[str]:
        """The orders of these parcels; unknown ids are left out."""
        columns = ("shipment_id", "order_id")
        rows = await self._session.fetch(shipments, "shipment_id", shipment_ids, columns=columns)
        return {row["order_id"] for row in rows}

    async def lock(self, shipment_ids: Collection[str]) -> dict[str, Shipment]:
        """These parcels, locked in the order of their ids."""
        rows = await self._session.fetch(shipments, "shipment_id", shipment_ids, columns=FACTS, lock=True)
        return {row["shipment_id"]: from_row(row) for row in rows}

    async def lock_of_orders(self, order_ids: Collection[str]) -> dict[str, Shipment]:
        """All parcels of these orders, locked in the order of their ids."""
        order = ("shipment_id",)
        rows = await self._session.fetch(
            shipments, "order_id", order_ids, columns=FACTS, lock=True, order_by=order
        )
        return {row["shipment_id"]: from_row(row) for row in rows}

    async def update(self, changed: Sequence[Shipment]) -> None:
        """Writes parcels that the caller holds."""
        await self._session.update(
            shipments, [to_row(shipment) for shipment in changed], key=("shipment_id",)
        )

    async def find(self, shipment_id: str) -> Shipment | None:
        """One parcel, for reading."""
        rows = await self._session.fetch(shipments, "shipment_id", [shipment_id], columns=FACTS)
        return from_row(rows[0]) if rows else None

    async def numbered(self, tracking_numbers: Collection[str]) -> dict[str, list[Shipment]]:
        """The parcels with these tracking numbers; two carriers may use the same number."""
        rows = await self._session.fetch(shipments, "tracking_number", tracking_numbers, columns=FACTS)
        found: dict[str, list[Shipment]] = {}
        for row in rows:
            found.setdefault(row["tracking_number"], []).append(from_row(row))
        return found

    async def of_order(self, order_id: str) -> list[Shipment]:
        """The parcels of an order, for reading."""
        rows = await self._session.fetch(
            shipments, "order_id", [order_id], columns=FACTS, order_by=("created_at", "shipment_id")
        )
        return [from_row(row) for row in rows]

    async def page(self, wanted: Filter, after: Position | None, limit: int) -> list[Shipment]:
        """Parcels from the oldest on, after a position."""
        query = _matching(select(*(shipments.c[name] for name in FACTS)), wanted)
        if after is not None:
            query = query.where(tuple_(shipments.c.created_at, shipments.c.shipment_id) > after)
        query = query.order_by(shipments.c.created_at, shipments.c.shipment_id).limit(limit)
        return [from_row(row) for row in await self._session.execute(query)]

    async def open_by_state(self, place_id: str) -> dict[str, int]:
        """How many parcels of a place wait in each state before dispatch."""
        waiting = shipments.c.state.in_(("created", "picked", "packed"))
        query = select(shipments.c.state, func.count().label("parcels"))
        query = query.where(shipments.c.place_id == place_id, waiting).group_by(shipments.c.state)
        return {row["state"]: row["parcels"] for row in await self._session.execute(query)}

    async def flagged(self) -> dict[str, int]:
        """How many parcels wait for a person, by why."""
        query = select(shipments.c.attention, func.count().label("parcels"))
        query = query.where(shipments.c.attention.is_not(None)).group_by(shipments.c.attention)
        return {row["attention"]: row["parcels"] for row in await self._session.execute(query)}

    async def consignments(self, shipment_ids: Collection[str]) -> dict[str, Consignment]:
        """These parcels as a carrier sees them; an erased recipient is empty."""
        rows = await self._session.execute(_CONSIGNMENTS, {"shipment_ids": list(shipment_ids)})
        return {
            row["shipment_id"]: Consignment(from_row(row), row["sender"], row["recipient"] or {})
            for row in rows
        }

    async def next_serials(self, count: int) -> list[int]:
        """Numbers that nobody had before and nobody will get again."""
        rows = await self._session.execute(_NEXT_SERIALS, {"count": count})
        return [row["serial"] for row in rows]

    async def silent_since(self, before: datetime, limit: int) -> list[Shipment]:
        """Parcels on their way and not yet flagged as silent without a sign since `before`; oldest first."""
        query = select(*(shipments.c[name] for name in FACTS)).where(
            shipments.c.state.in_(("dispatched", "exception")),
            shipments.c.last_sign_at < before,
            shipments.c.attention.is_distinct_from("silent"),
        )
        query = query.order_by(shipments.c.last_sign_at, shipments.c.shipment_id).limit(limit)
        return [from_row(row) for row in await self._session.execute(query)]


def _matching(query: Select[Any], wanted: Filter) -> Select[Any]:
    if wanted.state is not None:
        query = query.where(shipments.c.state == wanted.state)
    if wanted.place_id is not None:
        query = query.where(shipments.c.place_id == wanted.place_id)
    if wanted.order_id is not None:
        query = query.where(shipments.c.order_id == wanted.order_id)
    if wanted.attention:
        query = query.where(shipments.c.attention.is_not(None))
    return query
