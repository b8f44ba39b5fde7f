"""Scans merge into one truth: late, twice, out of order, before dispatch, after the end, or nonsense."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from shared.contracts.fulfillment import (
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentExceptionRaised,
    ShipmentLost,
    ShipmentTrackingRefused,
)
from shared.db.ids import new_id
from tests.component.fulfillment.world import World, at, confirmed, scan


async def test_a_delivery_scan_is_said_once_with_the_carriers_time(world: World) -> None:
    parcel, number = await world.dispatched()
    delivered = scan(number, "delivered", "2026-01-10T15:00:00+01:00")
    await world.topics.say(delivered, copies=2)
    await world.topics.say(delivered, message_id=new_id())
    await world.topics.say(scan(number, "delivered", "2026-01-10T16:00:00Z"))
    said = await world.topics.expect(ShipmentDelivered, lambda event: event.shipment_id == parcel)
    assert said.delivered_at == at("14:00:00")
    await world.quiet()
    assert len(world.told(ShipmentDelivered, shipment_id=parcel)) == 1
    detail = await world.get(f"/shipments/{parcel}")
    assert detail["state"] == "delivered"
    assert detail["attention"] is None
    assert len(detail["scans"]) == 2


async def test_a_delivery_scan_after_lost_is_only_flagged(world: World) -> None:
    parcel, number = await world.dispatched()
    await world.topics.say(scan(number, "lost", "2026-01-10T12:00:00Z"))
    await world.topics.expect(ShipmentLost, lambda event: event.shipment_id == parcel)
    await world.topics.say(scan(number, "delivered", "2026-01-10T11:00:00Z"))
    await world.quiet()
    assert world.told(ShipmentDelivered, shipment_id=parcel) == []
    detail = await world.get(f"/shipments/{parcel}")
    assert (detail["state"], detail["attention"]) == ("lost", "second_end")
    assert [entry["kind"] for entry in detail["timeline"] if entry["flagged"]] == ["second_end"]
    flagged = await world.get("/shipments?attention=true&limit=500")
    assert parcel in {row["shipment_id"] for row in flagged["items"]}
    assert (await world.post(f"/shipments/{parcel}/resolve", {"why": "neighbour had it"}))[
        "attention"
    ] is None


async def test_the_newest_scan_by_the_carriers_time_gives_the_state(world: World) -> None:
    parcel, number = await world.dispatched()
    await world.topics.say(scan(number, "out_for_delivery", "2026-01-10T14:00:00Z"))
    await world.topics.say(scan(number, "in_transit", "2026-01-10T10:00:00Z"))
    await world.topics.say(scan(number, "delivery_failed", "2026-01-10T15:00:00Z"))
    await world.topics.say(scan(number, "on_hold", "2026-01-10T11:00:00Z"))
    await world.quiet()
    detail = await world.get(f"/shipments/{parcel}")
    assert detail["state"] == "exception"
    assert detail["last_scan"]["status"] == "delivery_failed"
    assert [row["status"] for row in detail["scans"]] == [
        "in_transit", "on_hold", "out_for_delivery", "delivery_failed",
    ]  # fmt: skip
    assert [event.reason for event in world.told(ShipmentExceptionRaised, shipment_id=parcel)] == [
        "delivery_failed"
    ]
    await world.post("/tracking", scan(number, "in_transit", "2026-01-10T16:00:00Z").model_dump(mode="json"))
    assert (await world.get(f"/shipments/{parcel}"))["state"] == "dispatched"


async def test_a_scan_of_a_packed_parcel_proves_that_it_left(world: World) -> None:
    [parcel] = await world.ship(confirmed())
    await world.post(f"/shipments/{parcel}/pick")
    await world.post(f"/shipments/{parcel}/pack")
    number = (await world.post(f"/shipments/{parcel}/book"))["tracking_number"]
    await world.topics.say(scan(number, "on_hold"))
    await world.quiet()
    assert (await world.get(f"/shipments/{parcel}"))["state"] == "packed"
    await world.topics.say(scan(number, "delivered", "2026-01-10T18:00:00Z"))
    dispatched = await world.topics.expect(ShipmentDispatched, lambda event: event.shipment_id == parcel)
    assert dispatched.dispatched_at == at("18:00:00")
    await world.topics.expect(ShipmentDelivered, lambda event: event.shipment_id == parcel)
    assert (await world.post(f"/shipments/{parcel}/dispatch"))["state"] == "delivered"
    await world.quiet()
    assert len(world.told(ShipmentDispatched, shipment_id=parcel)) == 1


async def test_what_cannot_be_taken_is_answered_with_the_reason(world: World) -> None:
    _, number = await world.dispatched()
    unknown = scan("nobody-has-this", "delivered")
    other = scan(number, "delivered", carrier="dhl")
    future = scan(number, "delivered", "2999-12-31T23:59:59-12:00")
    for event in (unknown, other, future):
        await world.topics.say(event)
    headers = [
        ("ce_type", b"shipment.tracking_submitted.v1"),
        ("ce_source", b"/x"),
        ("ce_specversion", b"1.0"),
    ]
    body = b'{"scan_id":"bad\\u0000one","tracking_number":"%s","status":"eaten"}' % number.encode()
    topic = unknown.topic
    await world.topics.raw(topic, number.encode(), body, [*headers, ("ce_id", new_id().encode())])
    await world.topics.raw(topic, None, b"{}", [*headers, ("ce_id", new_id().encode())])
    refusals: list[Any] = await world.topics.expect(ShipmentTrackingRefused, count=5)
    fields = {refusal.scan_id: {error.field for error in refusal.errors} for refusal in refusals}
    assert fields[unknown.scan_id] == {"tracking_number"}
    assert fields[other.scan_id] == {"carrier"}
    assert fields[future.scan_id] == {"occurred_at"}
    assert {"status", "scan_id", "carrier", "occurred_at"} <= fields["bad?one"]
    assert "tracking_number" in fields[""]
    problem = await world.post("/tracking", unknown.model_dump(mode="json"), expect=404)
    assert problem["errors"][0]["field"] == "tracking_number"
    assert await world.service.rows("SELECT 1 FROM dead_letters") == []


async def test_many_scans_at_once_by_http(world: World) -> None:
    parcel, number = await world.dispatched()
    scans = [
        scan(number, "in_transit"),
        scan(number, "delivered", "2026-01-10T13:00:00Z"),
        scan("none", "lost"),
    ]
    body = {"scans": [entry.model_dump(mode="json") for entry in [*scans, scans[0]]]}
    answer = await world.post("/bulk/tracking", body)
    assert [(row["status"], row.get("new")) for row in answer["results"]] == [
        (200, True), (200, True), (404, None), (200, False),
    ]  # fmt: skip
    again = await world.post("/bulk/tracking", body)
    assert [row.get("new") for row in again["results"]] == [False, False, None, False]
    [page] = await world.get(f"/tracking/{number}")
    assert (page["state"], len(page["scans"])) == ("delivered", 2)
    await world.get("/tracking/none", expect=404)
    await world.quiet()
    assert len(world.told(ShipmentDelivered, shipment_id=parcel)) == 1


async def test_scans_by_topic_and_by_http_at_the_same_time_end_a_parcel_once(world: World) -> None:
    parcels = dict([await world.dispatched() for _ in range(8)])

    async def play(number: str) -> AsyncIterator[Any]:
        yield world.topics.say(scan(number, "lost"))
        yield world.topics.say(scan(number, "delivered", "2026-01-10T13:00:00Z"))
        yield world.post(
            "/tracking", scan(number, "delivered", "2026-01-10T14:00:00Z").model_dump(mode="json")
        )

    await asyncio.gather(*[step for number in parcels.values() async for step in play(number)])
    await world.quiet()
    for parcel in parcels:
        ends = [
            *world.told(ShipmentDelivered, shipment_id=parcel),
            *world.told(ShipmentLost, shipment_id=parcel),
        ]
        assert len(ends) == 1
