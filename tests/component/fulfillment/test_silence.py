"""Parcels nobody hears of: the carrier is asked, and a person is told."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from services.fulfillment.adapters.carriers import LocalCarrier
from services.fulfillment.domain.carrier import Ports
from services.fulfillment.domain.shipment import Booking, Scan
from services.fulfillment.jobs import find_silent
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
