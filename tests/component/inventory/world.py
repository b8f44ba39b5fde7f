"""Inventory with the shops, warehouses and parcels around it, in the words of the tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.inventory.domain.catalogue import Sku
from shared.contracts.channels import OrderLine
from shared.contracts.envelope import Address
from shared.contracts.fulfillment import (
    CancelledParcel,
    ShipmentCancelled,
    ShipmentDispatched,
    ShipmentLine,
    UnitsNotFound,
)
from shared.contracts.inventory import StockLevelChanged, StockReserved
from shared.contracts.orders import OrderCancelled, OrderPlaced
from shared.db.ids import new_id, shipment_id
from tests.harness.service import Running, Wire

BERLIN, MUNICH = Address(country="DE", city="Berlin"), Address(country="DE", city="München")


def order(
    wanted: Mapping[str, int] | Sequence[tuple[str, int]], *, order_id: str = "", to: Address = BERLIN
) -> OrderPlaced:
    """An order of these SKUs and quantities, one line each."""
    pairs = list(wanted.items()) if isinstance(wanted, Mapping) else list(wanted)
    lines = tuple(
        OrderLine(line_id=f"l{number}", sku=sku, quantity=quantity, unit_price=100, total=100 * quantity)
        for number, (sku, quantity) in enumerate(pairs)
    )
    return OrderPlaced(
        order_id=order_id or new_id(),
        channel="shop",
        external_id=new_id(),
        address=to,
        lines=lines,
        total=sum(line.total for line in lines),
        currency="EUR",
    )


def cancelled(order_id: str) -> OrderCancelled:
    return OrderCancelled(order_id=order_id, channel="shop", external_id="e", reason="customer_request")


def dispatched(reserved: StockReserved, place_id: str) -> ShipmentDispatched:
    return ShipmentDispatched(
        order_id=reserved.order_id,
        shipment_id=shipment_id(reserved.order_id, place_id),
        place_id=place_id,
        lines=tuple(
            ShipmentLine(line_id=it.line_id, sku=it.sku, quantity=it.quantity)
            for it in reserved.allocations
            if it.place_id == place_id
        ),
        carrier="local",
        tracking_number="T1",
        tracking_url="https://example.org/T1",
        dispatched_at="2026-01-01T00:00:00Z",  # type: ignore[arg-type]
    )


def short_picked(
    reserved: StockReserved, place_id: str, not_found: Mapping[str, int], requested: bool = False
) -> ShipmentCancelled:
    """`not_found`: line id -> units."""
    skus = {it.line_id: it.sku for it in reserved.allocations}
    units = tuple(
        UnitsNotFound(line_id=line, sku=skus[line], quantity=count) for line, count in not_found.items()
    )
    parcel = CancelledParcel(
        shipment_id=shipment_id(reserved.order_id, place_id), place_id=place_id, not_found=units
    )
    return ShipmentCancelled(
        order_id=reserved.order_id, parcels=(parcel,), requested=requested, reason="short pick"
    )


@dataclass
class World:
    """A running inventory and the topics around it."""

    service: Running
    topics: Wire

    async def place(self, place_id: str = "", address: Address = BERLIN, **details: Any) -> str:
        """A place, new unless named."""
        place_id = place_id or f"place-{new_id()}"
        body = {"address": address.model_dump(exclude_none=True), **details}
        response = await self.service.http.put(f"/places/{place_id}", json=body)
        assert response.status_code in (200, 201), response.text
        return place_id

    async def sku(self, stock: Mapping[str, int] | None = None, **details: Any) -> str:
        """A new SKU with stock by place."""
        sku = f"sku-{new_id()}"
        response = await self.service.http.put(f"/skus/{sku}", json=details)
        assert response.status_code == 201, response.text
        for place_id, units in (stock or {}).items():
            response = await self.adjust(sku, place_id, units, reason="received")
            assert response.status_code == 201, response.text
        return sku

    @staticmethod
    def entry(sku: str) -> Sku:
        """A catalogue entry that changes a SKU's title."""
        return Sku(sku, title=new_id())

    async def adjust(self, sku: str, place_id: str, delta: int, **other: Any) -> Any:
        """Submit an adjustment over HTTP."""
        body = {
            "adjustment_id": new_id(),
            "sku": sku,
            "place_id": place_id,
            "delta": delta,
            "reason": "correction",
        }
        return await self.service.http.post("/adjustments", json=body | other)

    async def level(self, sku: str, place_id: str) -> tuple[int, int, int]:
        """(on hand, reserved, unavailable)."""
        response = await self.service.http.get("/levels", params={"sku": sku, "place": place_id})
        for item in response.json()["items"]:
            return item["on_hand"], item["reserved"], item["unavailable"]
        return 0, 0, 0

    async def reserved(self, event: OrderPlaced) -> StockReserved:
        """Place an order and wait until its stock is held."""
        await self.topics.say(event)
        found: StockReserved = await self.topics.expect(
            StockReserved, lambda it: it.order_id == event.order_id
        )
        return found

    async def kinds(self, cause: str) -> list[str]:
        """The kinds of the ledger rows of a cause, in order."""
        response = await self.service.http.get("/ledger", params={"cause": cause})
        return [item["kind"] for item in reversed(response.json()["items"])]

    def levels_told(self, sku: str) -> list[StockLevelChanged]:
        """What was said of a SKU's levels so far."""
        return self.topics.all(StockLevelChanged, lambda it: it.sku == sku)

    async def drift(self) -> list[dict[str, Any]]:
        """What an audit finds."""
        async with self.service.service.read() as store:
            found: list[dict[str, Any]] = await store.reports.drift(60)
            return found
