"""Events that notifications hears, of one order each."""

from datetime import UTC, datetime
from typing import Any

from shared.contracts.channels import OrderLine
from shared.contracts.envelope import Address, Contact
from shared.contracts.fulfillment import ShipmentDelivered, ShipmentDispatched, ShipmentLine
from shared.contracts.orders import (
    ConfirmedAllocation,
    ConfirmedPlace,
    OrderCancelled,
    OrderConfirmed,
    OrderPlaced,
    RefundIssued,
)
from shared.contracts.returns import ReturnAuthorized, ReturnUnits
from shared.db.ids import new_id, shipment_id

NOW = datetime(2026, 3, 4, 13, 5, tzinfo=UTC)
BERLIN = Address(name="Ana Müller", street="Hauptstr. 1", city="Berlin", postal_code="10115", country="DE")


class Order:
    """An order and what happens to it."""

    def __init__(self, email: str | None = None, *, locale: str = "en", name: str = "Ana") -> None:
        self.id = new_id()
        self.email = email or f"{self.id}@customers.example"
        self.contact = Contact(name=name, email=self.email, locale=locale)
        self.parcel = shipment_id(self.id, "hamburg")

    def _body(self) -> dict[str, Any]:
        line = OrderLine(line_id="1", sku="CUP", title="Blue cup", quantity=2, unit_price=1050, total=2100)
        return {
            "order_id": self.id, "channel": "shop", "external_id": f"N-{self.id[-6:]}", "contact": self.contact,
            "address": BERLIN, "lines": (line,), "shipping": 400, "total": 2500, "currency": "EUR", "ordered_at": NOW,
        }  # fmt: skip

    def without_address(self) -> "Order":
        """The same order from a customer who left no e-mail address."""
        self.contact = Contact(name="Ana", locale="en")
        return self

    def placed(self) -> OrderPlaced:
        return OrderPlaced(**self._body())

    def confirmed(self) -> OrderConfirmed:
        place = ConfirmedPlace(place_id="hamburg", address=BERLIN, shipment_id=self.parcel, shipping=400)
        allocation = ConfirmedAllocation(place_id="hamburg", line_id="1", sku="CUP", quantity=2, value=2100)
        return OrderConfirmed(**self._body(), places=(place,), allocations=(allocation,))

    def dispatched(self) -> ShipmentDispatched:
        return ShipmentDispatched(
            order_id=self.id, shipment_id=self.parcel, place_id="hamburg", lines=_LINES, carrier="dhl",
            tracking_number="JD0146", tracking_url="https://carrier.example/JD0146", dispatched_at=NOW,
        )  # fmt: skip

    def delivered(self) -> ShipmentDelivered:
        return ShipmentDelivered(
            order_id=self.id, shipment_id=self.parcel, place_id="hamburg", lines=_LINES, delivered_at=NOW
        )

    def cancelled(self) -> OrderCancelled:
        return OrderCancelled(order_id=self.id, channel="shop", external_id="N-1", reason="cancel_requested")

    def return_authorized(self, origin: Any = "customer") -> ReturnAuthorized:
        unit = ReturnUnits(shipment_id=self.parcel, line_id="1", sku="CUP", quantity=1, reason="broken")
        return ReturnAuthorized(order_id=self.id, return_id=new_id(), origin=origin, units=(unit,))

    def refunded(self, amount: int = 1050) -> RefundIssued:
        return RefundIssued(
            order_id=self.id, request_id=new_id(), payment_id="p1", amount=amount, currency="EUR"
        )


_LINES = (ShipmentLine(line_id="1", sku="CUP", quantity=2),)
