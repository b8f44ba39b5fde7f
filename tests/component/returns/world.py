"""What the tests of returns talk with: the service, the topics, and builders of what is said to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer

from shared.contracts.channels import OrderLine
from shared.contracts.envelope import Address
from shared.contracts.fulfillment import (
    CancelledParcel,
    ShipmentCancelled,
    ShipmentDelivered,
    ShipmentLine,
    ShipmentLost,
    ShipmentReturnedToSender,
)
from shared.contracts.orders import ConfirmedAllocation, ConfirmedPlace, OrderConfirmed, RefundIssued
from shared.contracts.returns import ReturnAuthorized, ReturnReceived, ReturnRejected
from shared.db.ids import new_id, shipment_id
from tests.harness.service import Running, Wire, until

SAID = (ReturnAuthorized, ReturnReceived, ReturnRejected)
"""All that returns says."""

Parcels = Mapping[str, Mapping[str, tuple[int, int]]]
"""Place -> line -> (quantity, value)."""


def confirmed(parcels: Parcels) -> OrderConfirmed:
    """An order with these parcels."""
    order_id = new_id()
    totals: dict[str, tuple[int, int]] = {}
    for lines in parcels.values():
        for line, (quantity, value) in lines.items():
            known = totals.get(line, (0, 0))
            totals[line] = known[0] + quantity, known[1] + value
    return OrderConfirmed(
        order_id=order_id,
        channel="shop",
        external_id=f"W {order_id}",
        address=Address(country="DE"),
        lines=tuple(
            OrderLine(line_id=line, sku=f"sku-{line}", quantity=quantity, unit_price=0, total=value)
            for line, (quantity, value) in totals.items()
        ),
        total=sum(value for _, value in totals.values()),
        currency="EUR",
        places=tuple(
            ConfirmedPlace(
                place_id=place,
                address=Address(country="DE"),
                shipment_id=shipment_id(order_id, place),
                shipping=0,
            )
            for place in parcels
        ),
        allocations=tuple(
            ConfirmedAllocation(
                place_id=place, line_id=line, sku=f"sku-{line}", quantity=quantity, value=value
            )
            for place, lines in parcels.items()
            for line, (quantity, value) in lines.items()
        ),
    )


def _parcel(order: OrderConfirmed, place: str) -> dict[str, Any]:
    lines = tuple(
        ShipmentLine(line_id=each.line_id, sku=each.sku, quantity=each.quantity)
        for each in order.allocations
        if each.place_id == place
    )
    parcel = shipment_id(order.order_id, place)
    return {"order_id": order.order_id, "shipment_id": parcel, "place_id": place, "lines": lines}


def delivered(order: OrderConfirmed, place: str = "w1", days_ago: float = 1) -> ShipmentDelivered:
    """A parcel of the order arrived."""
    return ShipmentDelivered(
        **_parcel(order, place), delivered_at=datetime.now(UTC) - timedelta(days=days_ago)
    )


def sent_back(order: OrderConfirmed, place: str = "w1") -> ShipmentReturnedToSender:
    """A parcel of the order came back undelivered."""
    return ShipmentReturnedToSender(**_parcel(order, place), returned_at=datetime.now(UTC))


def lost(order: OrderConfirmed, place: str = "w1") -> ShipmentLost:
    """A parcel of the order will not arrive."""
    return ShipmentLost(**_parcel(order, place), lost_at=datetime.now(UTC))


def cancelled(order: OrderConfirmed, *places: str) -> ShipmentCancelled:
    """These parcels of the order will not ship."""
    parcels = tuple(
        CancelledParcel(shipment_id=shipment_id(order.order_id, place), place_id=place) for place in places
    )
    return ShipmentCancelled(order_id=order.order_id, parcels=parcels, requested=False, reason="short pick")


def refunded(order: OrderConfirmed, *return_ids: str) -> RefundIssued:
    """Money went back for these returns."""
    return RefundIssued(
        order_id=order.order_id,
        request_id=new_id(),
        payment_id="pay-1",
        amount=1,
        currency="EUR",
        return_ids=return_ids,
    )


def units(line: str = "l1", quantity: int = 1, **more: Any) -> dict[str, Any]:
    """Units a customer wants to send back."""
    return {"line_id": line, "quantity": quantity, "reason": "not_wanted"} | more


def found(line: str = "l1", quantity: int = 1, **more: Any) -> dict[str, Any]:
    """Units found in a box."""
    return {"line_id": line, "quantity": quantity, "condition": "opened", "disposition": "restock"} | more


@dataclass
class World:
    """The service and the topics."""

    service: Running
    topics: Wire

    async def arrived(self, parcels: Parcels) -> OrderConfirmed:
        """An order whose parcels are all delivered, as far as the service knows."""
        order = confirmed(parcels)
        await self.topics.say(order)
        for place in parcels:
            await self.topics.say(delivered(order, place))
        await self.until_offered(
            order, sum(quantity for lines in parcels.values() for quantity, _ in lines.values())
        )
        return order

    async def quiet(self) -> None:
        """Wait until the service handled all it was told and everything it said was heard here."""
        await self.service.settled()
        names = [self.topics.prefix + model.topic for model in SAID]
        consumer = AIOKafkaConsumer(*names, bootstrap_servers=self.service.bootstrap, group_id=None)
        await consumer.start()
        sent = sum((await consumer.end_offsets(consumer.assignment())).values())
        await consumer.stop()
        heard = self.topics.heard
        await until(lambda: sum(type(event) in SAID for event in heard) >= sent, f"heard all {sent} events")

    async def until_offered(self, order: OrderConfirmed, count: int) -> None:
        """Wait until so many units of the order may come back."""

        async def offered() -> bool:
            return await self.returnable(order) == count

        await until(offered, f"{count} units of {order.order_id} may come back")

    async def returnable(self, order: OrderConfirmed) -> int:
        """How many units of the order may come back; -1 while it is unknown."""
        answer = await self.service.http.get(f"/orders/{order.order_id}/returnable")
        if answer.status_code == 404:
            return -1
        assert answer.status_code == 200, answer.text
        return sum(each["returnable"] for each in answer.json()["units"])

    async def ask(self, order: OrderConfirmed, *wanted: dict[str, Any], **more: Any) -> httpx.Response:
        """POST /returns."""
        headers = more.pop("headers", {})
        body = {"order_id": order.order_id, "units": list(wanted)} | more
        return await self.service.http.post("/returns", json=body, headers=headers)

    async def opened(self, order: OrderConfirmed, *wanted: dict[str, Any]) -> str:
        """An authorised return; its id."""
        answer = await self.ask(order, *wanted)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["return_id"])

    async def receive(self, return_id: str, *boxed: dict[str, Any], **more: Any) -> httpx.Response:
        """POST /returns/{id}/receive."""
        return await self.service.http.post(
            f"/returns/{return_id}/receive", json={"units": list(boxed)} | more
        )

    async def find(self, return_id: str) -> dict[str, Any]:
        """GET /returns/{id}."""
        answer = await self.service.http.get(f"/returns/{return_id}")
        return dict(answer.json())

    async def until_state(self, return_id: str, state: str) -> dict[str, Any]:
        """Wait until a return is in a state."""

        async def there() -> dict[str, Any] | None:
            found = await self.find(return_id)
            return found if found.get("state") == state else None

        return dict(await until(there, f"return {return_id} is {state}"))

    def said_under(self, order_id: str) -> list[tuple[str, str, int]]:
        """(type, trace id, sequence) of what returns said about an order."""
        return [
            (headers["ce_type"], headers["traceparent"].split("-")[1], int(headers["ce_sequence"]))
            for headers in self.topics.headers
            if headers.get("ce_source") == "/oms/returns" and headers.get("ce_partitionkey") == order_id
        ]
