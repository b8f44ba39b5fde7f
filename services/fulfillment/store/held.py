"""What a transaction holds locked, and what it changed."""

from services.fulfillment.domain.change import Change, Note
from services.fulfillment.domain.order import FulfilmentOrder
from services.fulfillment.domain.shipment import Shipment
from shared.value_object import value_object


@value_object
class Entry:
    """A note that becomes a line of a parcel's timeline."""

    shipment_id: str
    note: Note
    actor: str


class Held:
    """Orders and parcels as they stand in this transaction: decisions are made on it, in order, and recorded in it."""

    def __init__(self, orders: dict[str, FulfilmentOrder], shipments: dict[str, Shipment]) -> None:
        self.orders = orders
        self.shipments = shipments
        self.notes: list[Entry] = []
        self._orders_before = dict(orders)
        self._shipments_before = dict(shipments)

    def of_order(self, order_id: str) -> list[Shipment]:
        """The parcels of an order that are held, sorted by id."""
        found = [parcel for parcel in self.shipments.values() if parcel.order_id == order_id]
        return sorted(found, key=lambda parcel: parcel.shipment_id)

    def record(self, change: Change, actor: str) -> None:
        """Takes over a decision."""
        self.shipments[change.shipment.shipment_id] = change.shipment
        self.notes += [Entry(change.shipment.shipment_id, note, actor) for note in change.notes]

    def next_version(self, order_id: str) -> FulfilmentOrder:
        """The order with the version under which the next thing about it is said."""
        self.orders[order_id] = order = self.orders[order_id].next_version()
        return order

    def changed_orders(self) -> list[FulfilmentOrder]:
        """Orders that differ from what was loaded."""
        return [order for key, order in self.orders.items() if order != self._orders_before.get(key)]

    def changed_shipments(self) -> list[Shipment]:
        """Parcels that differ from what was loaded."""
        return [parcel for key, parcel in self.shipments.items() if parcel != self._shipments_before.get(key)]
