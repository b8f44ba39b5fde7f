"""What this service keeps, and the transaction its handlers work in."""

from collections.abc import Collection
from typing import TypeAlias

from services.fulfillment.domain.order import FulfilmentOrder
from services.fulfillment.settings import Settings
from services.fulfillment.store.held import Held
from services.fulfillment.store.orders import Orders
from services.fulfillment.store.scans import Scans
from services.fulfillment.store.shipments import Shipments
from services.fulfillment.store.timeline import Timeline
from shared.db.bulk import Session
from shared.db.transaction import Transaction


class Store:
    """Queries per aggregate, and the two ways to hold parcels for a decision."""

    def __init__(self, session: Session) -> None:
        self.orders = Orders(session)
        self.shipments = Shipments(session)
        self.scans = Scans(session)
        self.timeline = Timeline(session)

    async def hold_shipments(self, shipment_ids: Collection[str]) -> Held:
        """These parcels and their orders, locked: orders first, then parcels, each sorted by id."""
        order_ids = await self.shipments.order_ids(shipment_ids)
        orders = await self.orders.lock(order_ids)
        return Held(orders, await self.shipments.lock(shipment_ids))

    async def hold_parcels_of(self, orders: dict[str, FulfilmentOrder]) -> Held:
        """All parcels of orders that the caller has locked."""
        return Held(dict(orders), await self.shipments.lock_of_orders(sorted(orders)))

    async def save(self, held: Held) -> None:
        """Writes what changed: one statement per table."""
        await self.orders.update(held.changed_orders())
        await self.shipments.update(held.changed_shipments())
        await self.timeline.add(held.notes)


Tx: TypeAlias = Transaction[Store, Settings]

__all__ = ["Held", "Store", "Tx"]
