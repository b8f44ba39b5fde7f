"""SKUs and places."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select

from services.inventory.domain.catalogue import Place, Size, Sku
from services.inventory.store.tables import places, skus
from shared.db.bulk import Row, Session


class Catalogue:
    """What is sold and where it may lie."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def places(self, place_ids: Collection[str]) -> dict[str, Place]:
        """Those of these places that exist, by id."""
        rows = await self._session.fetch(places, "place_id", sorted(place_ids))
        return {row["place_id"]: read_place(row) for row in rows}

    async def known_skus(self, names: Collection[str]) -> set[str]:
        """Those of these SKUs that exist."""
        return {
            row["sku"] for row in await self._session.fetch(skus, "sku", sorted(set(names)), columns=("sku",))
        }

    async def put_skus(self, entries: Mapping[str, Sku], now: datetime) -> set[str]:
        """Create or change SKUs; returns which are new."""
        return await self._put(skus, "sku", {key: _sku_row(sku) for key, sku in entries.items()}, now)

    async def put_places(self, entries: Mapping[str, Place], now: datetime) -> set[str]:
        """Create or change places; returns which are new."""
        return await self._put(
            places, "place_id", {key: _place_row(place) for key, place in entries.items()}, now
        )

    async def _put(self, table: Any, key: str, entries: Mapping[str, Row], now: datetime) -> set[str]:
        ordered = [entries[name] | {"updated_at": now} for name in sorted(entries)]
        new = await self._session.insert(table, ordered, ignore_duplicates=True, returning=(key,))
        fresh = {str(row[key]) for row in new}
        known = [row for row in ordered if row[key] not in fresh]
        await self._session.fetch(table, key, [row[key] for row in known], columns=(key,), lock=True)
        await self._session.update(table, known, key=(key,))
        return fresh

    async def page_of_skus(self, *, after: str | None, prefix: str | None, limit: int) -> list[Row]:
        """SKUs in order, from behind `after`."""
        query = select(skus).order_by(skus.c.sku).limit(limit)
        if after is not None:
            query = query.where(skus.c.sku > after)
        if prefix is not None:
            query = query.where(skus.c.sku.startswith(prefix, autoescape=True))
        return await self._session.execute(query)

    async def page_of_places(
        self, *, after: str | None, kind: str | None, active: bool | None, limit: int
    ) -> list[Row]:
        """Places in order, from behind `after`."""
        query = select(places).order_by(places.c.place_id).limit(limit)
        if after is not None:
            query = query.where(places.c.place_id > after)
        if kind is not None:
            query = query.where(places.c.kind == kind)
        if active is not None:
            query = query.where(places.c.active == active)
        return await self._session.execute(query)


def read_sku(row: Row) -> Sku:
    """A SKU from its row."""
    size = None
    if row["length_mm"] is not None:
        size = Size(row["length_mm"], row["width_mm"], row["height_mm"])
    return Sku(row["sku"], row["title"], row["weight_g"], size)


def read_place(row: Row) -> Place:
    """A place from its row."""
    return Place(row["place_id"], row["kind"], row["name"], row["address"], row["active"])


def _sku_row(sku: Sku) -> Row:
    return {
        "sku": sku.sku,
        "title": sku.title,
        "weight_g": sku.weight_g,
        "length_mm": sku.size.length_mm if sku.size else None,
        "width_mm": sku.size.width_mm if sku.size else None,
        "height_mm": sku.size.height_mm if sku.size else None,
    }


def _place_row(place: Place) -> Row:
    return {
        "place_id": place.place_id,
        "kind": place.kind,
        "name": place.name,
        "address": dict(place.address),
        "active": place.active,
    }
