"""What counts once: applied adjustments and booked returns, each claimed by its own id."""

from collections.abc import Collection, Mapping
from dataclasses import fields

from services.inventory.domain.adjustment import Adjustment
from services.inventory.store.tables import adjustments, receipts
from shared.db.bulk import Session

_CONTENT = tuple(field.name for field in fields(Adjustment))


class Effects:
    """Adjustments and returns by id."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def claim_adjustments(self, wanted: Mapping[str, Adjustment]) -> dict[str, Adjustment]:
        """Take ids as applied; returns what was applied earlier under those that were taken already.

        Waits for another transaction that claims the same id at the same time.
        """
        rows = [
            {name: getattr(wanted[adjustment_id], name) for name in _CONTENT}
            for adjustment_id in sorted(wanted)
        ]
        key = ("adjustment_id",)
        new = await self._session.insert(adjustments, rows, ignore_duplicates=True, returning=key)
        known = set(wanted) - {row["adjustment_id"] for row in new}
        earlier = await self._session.fetch(adjustments, "adjustment_id", sorted(known))
        return {row["adjustment_id"]: Adjustment(**{name: row[name] for name in _CONTENT}) for row in earlier}

    async def unclaim_adjustments(self, adjustment_ids: Collection[str]) -> None:
        """Give back claims of adjustments that were refused, so that they may be sent again when mended."""
        await self._session.delete(adjustments, "adjustment_id", adjustment_ids)

    async def claim_returns(self, orders: Mapping[str, str]) -> set[str]:
        """Take returns (id -> order) as booked; returns which of them were not before."""
        rows = [{"return_id": return_id, "order_id": orders[return_id]} for return_id in sorted(orders)]
        new = await self._session.insert(receipts, rows, ignore_duplicates=True, returning=("return_id",))
        return {row["return_id"] for row in new}
