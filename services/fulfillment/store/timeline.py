"""What happened to parcels, for people to read."""

from collections.abc import Sequence
from typing import Any

from services.fulfillment.store.held import Entry
from services.fulfillment.store.tables import timeline
from shared.db.bulk import Session


class Timeline:
    """Queries on `timeline`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, entries: Sequence[Entry]) -> None:
        """Adds lines; nothing is ever changed or removed."""
        rows = [
            {
                "shipment_id": entry.shipment_id,
                "recorded_at": self._session.now,
                "occurred_at": entry.note.occurred_at,
                "kind": entry.note.kind,
                "detail": entry.note.detail,
                "actor": entry.actor,
                "flagged": entry.note.flagged,
            }
            for entry in entries
        ]
        await self._session.insert(timeline, rows)

    async def of_shipment(self, shipment_id: str) -> list[dict[str, Any]]:
        """A parcel's lines in the order in which we learnt them."""
        columns = ("recorded_at", "occurred_at", "kind", "detail", "actor", "flagged")
        return await self._session.fetch(
            timeline, "shipment_id", [shipment_id], columns=columns, order_by=("id",)
        )
