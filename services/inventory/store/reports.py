"""Questions about quantities: levels, the ledger, and whether both agree."""

from collections.abc import Collection

from sqlalchemy import and_, func, or_, select, text, tuple_

from services.inventory.store.tables import allocations, ledger, parcels, places, stock
from shared.db.bulk import Row, Session


class Reports:
    """Read-only views of stock and ledger."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def stock_of(self, skus: Collection[str]) -> list[Row]:
        """The levels of SKUs at each place, with whether the place ships (`active`)."""
        query = (
            select(stock, func.coalesce(places.c.active, False).label("active"))
            .outerjoin(places, places.c.place_id == stock.c.place_id)
            .where(stock.c.sku.in_(skus))
            .order_by(stock.c.sku, stock.c.place_id)
        )
        return await self._session.execute(query)

    async def page_of_levels(
        self, *, after: tuple[str, str] | None, sku: str | None, place_id: str | None, limit: int
    ) -> list[Row]:
        """Levels by SKU and place, from behind `after`."""
        query = select(stock).order_by(stock.c.sku, stock.c.place_id).limit(limit)
        if after is not None:
            query = query.where(tuple_(stock.c.sku, stock.c.place_id) > tuple_(*after))
        if sku is not None:
            query = query.where(stock.c.sku == sku)
        if place_id is not None:
            query = query.where(stock.c.place_id == place_id)
        return await self._session.execute(query)

    async def page_of_ledger(
        self, *, before: int | None, sku: str | None, place_id: str | None, cause: str | None, limit: int
    ) -> list[Row]:
        """Movements, the newest first, older than `before`."""
        query = select(ledger).order_by(ledger.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(ledger.c.id < before)
        if sku is not None:
            query = query.where(ledger.c.sku == sku)
        if place_id is not None:
            query = query.where(ledger.c.place_id == place_id)
        if cause is not None:
            query = query.where(ledger.c.cause_id == cause)
        return await self._session.execute(query)

    async def drift(self, timeout_seconds: float) -> list[Row]:
        """Where counters differ from what explains them; empty when all is well.

        `counter` says which: on_hand, reserved and unavailable against the ledger's sums, `held` the reserved
        counter against what open reservations hold. Both queries see one moment. Reads the whole ledger.
        """
        limit = text("SELECT set_config('statement_timeout', :limit, true)")
        await self._session.execute(limit, {"limit": f"{int(timeout_seconds * 1000)}ms"})
        return [*await self._against_ledger(), *await self._against_reservations()]

    async def _against_ledger(self) -> list[Row]:
        sums = (
            select(
                ledger.c.sku,
                ledger.c.place_id,
                *(func.sum(ledger.c[name]).label(name) for name in _COUNTERS),
            )
            .group_by(ledger.c.sku, ledger.c.place_id)
            .subquery()
        )
        pairs = and_(stock.c.sku == sums.c.sku, stock.c.place_id == sums.c.place_id)
        counted = {name: func.coalesce(stock.c[name], 0) for name in _COUNTERS}
        explained = {name: func.coalesce(sums.c[name], 0) for name in _COUNTERS}
        query = (
            select(
                func.coalesce(stock.c.sku, sums.c.sku).label("sku"),
                func.coalesce(stock.c.place_id, sums.c.place_id).label("place_id"),
                *(counted[name].label(f"counted_{name}") for name in _COUNTERS),
                *(explained[name].label(f"explained_{name}") for name in _COUNTERS),
            )
            .select_from(stock.outerjoin(sums, pairs, full=True))
            .where(or_(*(counted[name] != explained[name] for name in _COUNTERS)))
        )
        return [
            _drift(row, name, row[f"counted_{name}"], row[f"explained_{name}"])
            for row in await self._session.execute(query)
            for name in _COUNTERS
            if row[f"counted_{name}"] != row[f"explained_{name}"]
        ]

    async def _against_reservations(self) -> list[Row]:
        held = (
            select(allocations.c.sku, allocations.c.place_id, func.sum(allocations.c.quantity).label("held"))
            .join(
                parcels,
                and_(
                    parcels.c.order_id == allocations.c.order_id, parcels.c.place_id == allocations.c.place_id
                ),
            )
            .where(parcels.c.fate == 0)
            .group_by(allocations.c.sku, allocations.c.place_id)
            .subquery()
        )
        pairs = and_(stock.c.sku == held.c.sku, stock.c.place_id == held.c.place_id)
        explained = func.coalesce(held.c.held, 0)
        query = (
            select(
                func.coalesce(stock.c.sku, held.c.sku).label("sku"),
                func.coalesce(stock.c.place_id, held.c.place_id).label("place_id"),
                func.coalesce(stock.c.reserved, 0).label("counted"),
                explained.label("explained"),
            )
            .select_from(stock.outerjoin(held, pairs, full=True))
            .where(func.coalesce(stock.c.reserved, 0) != explained)
        )
        return [
            _drift(row, "held", row["counted"], row["explained"])
            for row in await self._session.execute(query)
        ]


_COUNTERS = ("on_hand", "reserved", "unavailable")


def _drift(row: Row, counter: str, counted: int, explained: int) -> Row:
    return {
        "sku": row["sku"],
        "place_id": row["place_id"],
        "counter": counter,
        "counted": int(counted),
        "explained": int(explained),
    }
