"""What carriers said about parcels, each scan once."""

from collections.abc import Sequence

from services.fulfillment.domain.shipment import Scan
from services.fulfillment.store.tables import scans
from shared.db.bulk import Session


class Scans:
    """Queries on `scans`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, new: Sequence[tuple[str, Scan]]) -> set[tuple[str, str]]:
        """Keeps scans of parcels (shipment id, scan); returns (shipment id, scan id) of those not known before."""
        rows = [
            {
                "shipment_id": shipment_id,
                "scan_id": scan.scan_id,
                "status": scan.status,
                "occurred_at": scan.occurred_at,
                "location": scan.location,
                "detail": scan.detail,
                "received_at": self._session.now,
            }
            for shipment_id, scan in new
        ]
        key = ("shipment_id", "scan_id")
        fresh = await self._session.insert(scans, rows, ignore_duplicates=True, returning=key)
        return {(row["shipment_id"], row["scan_id"]) for row in fresh}

    async def of_shipment(self, shipment_id: str) -> list[Scan]:
        """All scans of a parcel, by the carrier's time."""
        rows = await self._session.fetch(
            scans,
            "shipment_id",
            [shipment_id],
            columns=("scan_id", "status", "occurred_at", "location", "detail"),
            order_by=("occurred_at", "scan_id"),
        )
        return [Scan(**row) for row in rows]
