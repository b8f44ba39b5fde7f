"""What the tests of fulfillment talk with: the service, the topics, and builders of what is said to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer

from shared.contracts import fulfillment
from shared.contracts.carriers import ScanStatus, ShipmentTrackingSubmitted
from shared.contracts.channels import OrderLine
from shared.contracts.envelope import Address, Contact
from shared.contracts.fulfillment import ShipmentCreated, ShipmentDispatched
from shared.contracts.orders import ConfirmedAllocation, ConfirmedPlace, OrderCancelRequested, OrderConfirmed
from shared.contracts.registry import MODELS
from shared.db.ids import new_id, shipment_id
from tests.harness.service import Running, Wire, until

RECIPIENT = Address(
    name="José ^XA~JA Żółć",
    street="Rua das Flores 1",
    city="São Paulo",
    postal_code="01310-100",
    country="BR",
)


def confirmed(places: Sequence[str] = ("p1",), quantities: Sequence[int] = (2,)) -> OrderConfirmed:
    """An order whose every place ships every line in these quantities."""
    order_id = new_id()
    total = sum(quantities) * len(places)
    lines = [
        OrderLine(
            line_id=f"l{number}",
            sku=f"sku-{number}",
            quantity=quantity * len(places),
            unit_price=1,
            total=quantity * len(places),
        )
        for number, quantity in enumerate(quantities)
    ]
    return OrderConfirmed(
        order_id=order_id,
        channel="shop",
        external_id=order_id,
        contact=Contact(name="José", phone="+55 11 9"),
        address=RECIPIENT,
        lines=tuple(lines),
        total=total,
        currency="EUR",
        places=tuple(
            ConfirmedPlace(
                place_id=place,
                name=f"Place {place}",
                address=Address(city="Berlin", country="DE"),
                shipment_id=shipment_id(order_id, place),
                shipping=0,
            )
            for place in places
        ),
        allocations=tuple(
            ConfirmedAllocation(
                place_id=place,
                line_id=line.line_id,
                sku=line.sku,
                quantity=quantity,
                unit_weight_g=100,
                value=quantity,
            )
            for place in places
            for line, quantity in zip(lines, quantities, strict=True)
        ),
    )


def cancel(order_id: str) -> OrderCancelRequested:
    """A cancel request."""
    return OrderCancelRequested(order_id=order_id, reason="changed my mind", requested_by="customer")


def scan(
    number: str, status: ScanStatus, at: str = "2026-01-10T12:00:00Z", **fields: Any
) -> ShipmentTrackingSubmitted:
    """A carrier's scan; `at` is an ISO time."""
    values: dict[str, Any] = {
        "scan_id": new_id(),
        "carrier": "local",
        "occurred_at": datetime.fromisoformat(at),
    }
    values |= fields
    return ShipmentTrackingSubmitted(tracking_number=number, status=status, **values)


def at(text: str) -> datetime:
    """A moment of the day the tests play on."""
    return datetime.fromisoformat(f"2026-01-10T{text}").replace(tzinfo=UTC)


@dataclass
class World:
    """The running service and the topics."""

    service: Running
    topics: Wire

    async def ship(self, order: OrderConfirmed) -> list[str]:
        """Confirm an order and wait for its parcels; their ids in the order of its places."""
        await self.topics.say(order)
        await self.topics.expect(
            ShipmentCreated, lambda event: event.order_id == order.order_id, len(order.places)
        )
        return [place.shipment_id for place in order.places]

    async def post(self, path: str, body: Any = None, expect: int = 200) -> dict[str, Any]:
        """POST and check the status."""
        answer = await self.service.http.post(path, json=body)
        assert answer.status_code == expect, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def get(self, path: str, expect: int = 200) -> Any:
        """GET and check the status."""
        answer = await self.service.http.get(path)
        assert answer.status_code == expect, answer.text
        return answer.json()

    async def dispatched(self) -> tuple[str, str]:
        """A parcel on its way: its id and tracking number."""
        [parcel] = await self.ship(confirmed())
        await self.post(f"/shipments/{parcel}/pick")
        await self.post(f"/shipments/{parcel}/pack", {"weight_g": 900})
        await self.post(f"/shipments/{parcel}/dispatch")
        said = await self.topics.expect(ShipmentDispatched, lambda event: event.shipment_id == parcel)
        return parcel, said.tracking_number

    async def quiet(self) -> None:
        """Wait until everything was handled, everything said was sent, and we heard all of it."""
        await self.service.settled()
        models = {model for model in MODELS.values() if model.__module__ == fulfillment.__name__}
        names = [self.topics.prefix + model.topic for model in models]
        consumer = AIOKafkaConsumer(*names, bootstrap_servers=self.service.bootstrap, group_id=None)
        await consumer.start()
        sent = sum((await consumer.end_offsets(consumer.assignment())).values())
        await consumer.stop()
        heard = self.topics.heard
        await until(lambda: sum(type(event) in models for event in heard) >= sent, f"heard all {sent} events")

    def told(self, model: Any, **fields: Any) -> list[Any]:
        """Events of a type heard so far whose fields have these values."""
        return self.topics.all(
            model, lambda event: all(getattr(event, name) == value for name, value in fields.items())
        )
