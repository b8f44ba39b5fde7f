"""Parcels nobody hears of: the carrier is asked, and a person is told."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

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


async def flagged(world: World, parcel: str) -> list[Any]:
    """The timeline's lines of silence, after the job has looked at every parcel."""
    while await find_silent(world.service.service):
        pass
    detail = await world.get(f"/shipments/{parcel}")
    return [entry for entry in detail["timeline"] if entry["kind"] == "silent"]


async def days_pass(world: World, parcel: str, days: int) -> None:
    """As if the parcel's silence had begun so many days earlier."""
    sql = "UPDATE shipments SET last_sign_at = last_sign_at - make_interval(days => :days) WHERE shipment_id = :id"
    await world.service.rows(sql, days=days, id=parcel)


async def test_who_lets_a_silent_parcel_go_on_is_called_again_after_as_long(world: World) -> None:
    parcel, number = await sent_days_ago(world, 6)
    assert len(await flagged(world, parcel)) == 1
    resolved = await world.post(f"/shipments/{parcel}/resolve", {"why": "carrier looks for it"})
    assert resolved["attention"] is None
    assert len(await flagged(world, parcel)) == 1
    assert (await world.get(f"/shipments/{parcel}"))["attention"] is None
    await days_pass(world, parcel, 4)
    # Repeating the answer to what is no question any more puts nothing off.
    await world.post(f"/shipments/{parcel}/resolve", {"why": "carrier looks for it"})
    assert len(await flagged(world, parcel)) == 1
    await days_pass(world, parcel, 2)
    again = await flagged(world, parcel)
    detail = await world.get(f"/shipments/{parcel}")
    assert (len(again), detail["attention"]) == (2, "silent")
    assert {entry["occurred_at"] for entry in again} == {detail["dispatched_at"]}, "nobody heard of it since"
    await world.post(f"/shipments/{parcel}/resolve", {"why": "found"})
    await days_pass(world, parcel, 6)
    now = datetime.now(UTC).isoformat()
    await world.post("/tracking", scan(number, "in_transit", now).model_dump(mode="json"))
    assert len(await flagged(world, parcel)) == 2


async def test_resolving_a_parcel_that_is_not_flagged_changes_nothing(world: World) -> None:
    parcel, number = await sent_days_ago(world, 7)
    hit = (datetime.now(UTC) - timedelta(days=6)).isoformat()
    await world.post("/tracking", scan(number, "damaged", hit).model_dump(mode="json"))
    before = await world.get(f"/shipments/{parcel}")
    assert (before["state"], before["attention"]) == ("exception", None)
    await world.post(f"/shipments/{parcel}/resolve", {"why": "only the box"})
    assert await world.get(f"/shipments/{parcel}") == before
    [silent] = await flagged(world, parcel)
    assert silent["occurred_at"] == before["last_scan"]["occurred_at"]
    resolved = await world.post(f"/shipments/{parcel}/resolve", {"why": "on a shelf"})
    assert (resolved["state"], resolved["attention"]) == ("exception", None)
    assert await flagged(world, parcel) == [silent]


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
