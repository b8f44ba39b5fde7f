"""The other services and the payment service, played by hand: what they would say of an order."""

from datetime import UTC, datetime
from typing import Any

from shared.contracts.channels import OrderSubmitted
from shared.contracts.envelope import Address
from shared.contracts.fulfillment import (
    CancelledParcel,
    ShipmentCancelled,
    ShipmentCreated,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentLine,
    ShipmentLost,
)
from shared.contracts.inventory import Allocation, Place, Shortage, StockRejected, StockReserved
from shared.contracts.orders import PaymentRequest
from shared.contracts.payments import (
    PaymentAuthorized,
    PaymentCaptured,
    PaymentFailed,
    PaymentRefunded,
    PaymentVoided,
)
from shared.db.ids import new_id, shipment_id

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def order(external_id: str | None = None, **changes: Any) -> OrderSubmitted:
    """Two lines, 75.00 EUR with shipping."""
    values: dict[str, Any] = {
        "channel": "shop",
        "external_id": external_id or f"T-{new_id()}",
        "contact": {"name": "Ada Example", "email": "Ada@example.org", "locale": "en"},
        "address": {"name": "Ada Example", "street": "Main St 1", "city": "Berlin", "country": "DE"},
        "lines": [
            {"line_id": "1", "sku": "MUG", "quantity": 3, "unit_price": 1000, "total": 3000},
            {
                "line_id": "2",
                "sku": "LAMP",
                "quantity": 1,
                "unit_price": 4500,
                "discount": 500,
                "total": 4000,
            },
        ],
        "shipping": 500,
        "total": 7500,
        "currency": "EUR",
    }
    return OrderSubmitted.model_validate(values | changes)


def body(event: OrderSubmitted) -> dict[str, Any]:
    """The same as the body of POST /orders."""
    return event.model_dump(mode="json", exclude_none=True)


def reserved(order_id: str, places: dict[str, dict[str, int]] | None = None) -> StockReserved:
    """Stock is held: place -> line id -> units; by default everything in Berlin."""
    skus = {"1": "MUG", "2": "LAMP"}
    split = places or {"BERLIN": {"1": 3, "2": 1}}
    return StockReserved(
        order_id=order_id,
        reservation_id=new_id(),
        places=tuple(Place(place_id=place, address=Address(country="DE")) for place in split),
        allocations=tuple(
            Allocation(place_id=place, line_id=line, sku=skus[line], quantity=quantity)
            for place, lines in split.items()
            for line, quantity in lines.items()
        ),
    )


def rejected(order_id: str) -> StockRejected:
    """Nothing is held, because one SKU is short."""
    short = Shortage(sku="MUG", requested=3, available=2, reason="not_enough_stock")
    return StockRejected(order_id=order_id, shortages=(short,))


def authorized(order_id: str, amount: int = 7500, payment_id: str = "P1") -> PaymentAuthorized:
    """The payer agreed."""
    return PaymentAuthorized(order_id=order_id, payment_id=payment_id, amount=amount, currency="EUR")


def captured(request: PaymentRequest) -> PaymentCaptured:
    """What was asked for was collected."""
    return PaymentCaptured(**_of(request))


def refunded(request: PaymentRequest) -> PaymentRefunded:
    """What was asked for was paid back."""
    return PaymentRefunded(**_of(request))


def voided(request: PaymentRequest) -> PaymentVoided:
    """What was asked for was given up."""
    return PaymentVoided(**_of(request))


def failed(request: PaymentRequest, operation: Any) -> PaymentFailed:
    """What was asked for did not work."""
    return PaymentFailed(**_of(request), operation=operation, final=True, reason="the bank refused")


def _of(request: PaymentRequest) -> dict[str, Any]:
    names = ("order_id", "payment_id", "request_id", "amount", "currency")
    return {name: getattr(request, name) for name in names}


def _parcel(order_id: str, place: str) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "shipment_id": shipment_id(order_id, place),
        "place_id": place,
        "lines": (ShipmentLine(line_id="1", sku="MUG", quantity=1),),
    }


def created(order_id: str, place: str = "BERLIN") -> ShipmentCreated:
    """A place was told to pick."""
    return ShipmentCreated(**_parcel(order_id, place))


def dispatched(order_id: str, place: str = "BERLIN") -> ShipmentDispatched:
    """The parcel left."""
    return ShipmentDispatched(
        **_parcel(order_id, place), carrier="local", tracking_number=f"TN-{place}",
        tracking_url="http://carrier.example/1", dispatched_at=NOW,
    )  # fmt: skip


def delivered(order_id: str, place: str = "BERLIN") -> ShipmentDelivered:
    """The parcel arrived."""
    return ShipmentDelivered(**_parcel(order_id, place), delivered_at=NOW)


def lost(order_id: str, place: str = "BERLIN") -> ShipmentLost:
    """The parcel will not arrive."""
    return ShipmentLost(**_parcel(order_id, place), lost_at=NOW)


def cancelled_as_asked(order_id: str, place: str = "BERLIN") -> ShipmentCancelled:
    """Fulfilment gave the order up."""
    parcel = CancelledParcel(shipment_id=shipment_id(order_id, place), place_id=place)
    return ShipmentCancelled(order_id=order_id, parcels=(parcel,), requested=True, reason="asked")


def sale(order_id: str, amount: int = 7500, payment_id: str = "P1") -> PaymentCaptured:
    """Captured without having been asked for."""
    return PaymentCaptured(order_id=order_id, payment_id=payment_id, amount=amount, currency="EUR")
