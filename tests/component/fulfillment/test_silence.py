"""Parcels nobody hears of: the carrier is asked, and a person is told."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from services.fulfillment.adapters.carriers import LocalCarrier
from services.fulfillment.domain.carrier import Ports
from services.fulfillment.domain.shipment import Booking, Scan
from services.fulfillment.jobs import find_silent, purge
from shared.contracts.fulfillment import ShipmentDelivered
from tests.component.fulfillment.world import World, confirmed, scan


class AskedCarrier(LocalCarrier):
    """A carrier that must be asked for its scans."""

    def __init__(self, known: dict[str, Scan]) -> None:
        super().__init__(gs1_prefix="0400000", tracking_url="", font=None)
        self.known = known

    async def track(self, booking: Booking) -> Sequence[Scan]:
        return [self.known[booking.tracking_number]] if booking.tracking_number in self.known else []


async def sent_days_ago(world: World, days: int) -> tuple[str, str]:
    [parcel] = await world.ship(confirmed())
    await world.post(f"/shipments/{parcel}/pick")
    await world.post(f"/shipments/{parcel}/pack")
    left = (datetime.now(UTC) - timedelta(days=days)).isoformat()
    body = await world.post(f"/shipments/{parcel}/dispatch", {"at": left})
    return parcel, body["tracking_number"]


async def test_a_silent_parcel_is_flagged_once_until_the_next_scan(world: World) -> None:
    silent, number = await sent_days_ago(world, 6)
    fresh, _ = await sent_days_ago(world, 1)
    while await find_silent(world.service.service):
        pass
    detail = await world.get(f"/shipments/{silent}")
    assert detail["attention"] == "silent"
    assert [entry["kind"] for entry in detail["timeline"] if entry["flagged"]] == ["silent"]
    assert (await world.get(f"/shipments/{fresh}"))["attention"] is None
    await find_silent(world.service.service)
    metrics = (await world.service.http.get("/metrics")).text
    assert 'oms_parcels_flagged{attention="silent"' in metrics
    await world.post(
        "/tracking", scan(number, "in_transit", datetime.now(UTC).isoformat()).model_dump(mode="json")
    )
    assert (await world.get(f"/shipments/{silent}"))["attention"] is None


async def test_a_carrier_that_must_be_asked_is_asked_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    parcel, number = await sent_days_ago(world, 7)
    arrived = Scan("asked-1", "delivered", datetime.now(UTC) - timedelta(days=6))
    monkeypatch.setattr(world.service.service, "ports", Ports(AskedCarrier({number: arrived})))
    await find_silent(world.service.service)
    await world.topics.expect(ShipmentDelivered, lambda event: event.shipment_id == parcel)
    detail = await world.get(f"/shipments/{parcel}")
    assert (detail["state"], detail["attention"]) == ("delivered", None)


async def test_orders_of_long_ago_are_deleted_unless_a_parcel_is_on_its_way(world: World) -> None:
    over, on_its_way = confirmed(), confirmed()
    [gone], [stays] = await world.ship(over), await world.ship(on_its_way)
    for step in ("pick", "pack", "dispatch"):
        await world.post(f"/shipments/{gone}/{step}")
        await world.post(f"/shipments/{stays}/{step}")
    number = (await world.get(f"/shipments/{gone}"))["tracking_number"]
    await world.post(
        "/tracking", scan(number, "delivered", datetime.now(UTC).isoformat()).model_dump(mode="json")
    )
    await world.topics.expect(ShipmentDelivered, lambda event: event.shipment_id == gone)
    # Ids rise with time: one that begins with 00 was made decades ago.
    for table in ("fulfillment_orders", "shipments"):
        for order in (over, on_its_way):
            sql = f"UPDATE {table} SET order_id = '00' || substr(order_id, 3) WHERE order_id = :id"
            await world.service.rows(sql, id=order.order_id)
    assert await purge(world.service.service) == 1
    assert await purge(world.service.service) == 0
    await world.get(f"/shipments/{gone}", 404)
    assert (await world.get(f"/shipments/{stays}"))["state"] == "dispatched"
    for table in ("scans", "timeline"):
        sql = f"SELECT count(*) AS n FROM {table} WHERE shipment_id = :id"
        assert await world.service.rows(sql, id=gone) == [{"n": 0}]
