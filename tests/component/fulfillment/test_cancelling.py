"""The one answer to a cancel request, all or nothing, whatever came first."""

import asyncio

from shared.contracts.fulfillment import ShipmentCancelled, ShipmentCancelRefused, ShipmentCreated
from shared.db.ids import new_id
from tests.component.fulfillment.world import World, cancel, confirmed


async def test_a_cancel_that_overtakes_its_order_is_answered_at_once_and_nothing_is_created(
    world: World,
) -> None:
    order = confirmed(("p1", "p2"))
    await world.topics.say(cancel(order.order_id))
    answer = await world.topics.expect(ShipmentCancelled, lambda event: event.order_id == order.order_id)
    assert answer.requested
    assert answer.parcels == ()
    await world.topics.say(order, copies=2)
    await world.quiet()
    assert world.told(ShipmentCreated, order_id=order.order_id) == []
    assert (await world.get(f"/orders/{order.order_id}/shipments"))["shipments"] == []


async def test_a_cancel_before_picking_cancels_every_parcel_once(world: World) -> None:
    order = confirmed(("p1", "p2"))
    parcels = await world.ship(order)
    for _ in range(3):
        await world.topics.say(cancel(order.order_id))
    answer = await world.topics.expect(ShipmentCancelled, lambda event: event.order_id == order.order_id)
    await world.quiet()
    assert {parcel.shipment_id for parcel in answer.parcels} == set(parcels)
    assert len(world.told(ShipmentCancelled, order_id=order.order_id)) == 1
    refusal = await world.post(f"/shipments/{parcels[0]}/pick", expect=409)
    assert refusal["code"] == "cancelled"


async def test_a_cancel_after_one_pick_is_refused_as_a_whole(world: World) -> None:
    order = confirmed(("p1", "p2"))
    picked, other = await world.ship(order)
    await world.post(f"/shipments/{picked}/pick")
    await world.topics.say(cancel(order.order_id), copies=2)
    refusal = await world.topics.expect(ShipmentCancelRefused, lambda event: event.order_id == order.order_id)
    assert picked in refusal.reason
    await world.quiet()
    assert world.told(ShipmentCancelled, order_id=order.order_id) == []
    assert len(world.told(ShipmentCancelRefused, order_id=order.order_id)) == 1
    await world.post(f"/shipments/{other}/pick")


async def test_a_short_pick_cancels_its_parcel_unasked_and_the_others_go_on(world: World) -> None:
    order = confirmed(("p1", "p2"), (2, 3))
    short, other = await world.ship(order)
    body = {"lines": [{"line_id": "l0", "picked": 2}, {"line_id": "l1", "picked": 1}]}
    first = await world.post(f"/shipments/{short}/pick", body)
    assert first["state"] == "cancelled"
    assert await world.post(f"/shipments/{short}/pick", body) == first
    told = await world.topics.expect(ShipmentCancelled, lambda event: event.order_id == order.order_id)
    assert not told.requested
    [parcel] = told.parcels
    assert parcel.shipment_id == short
    assert [(units.line_id, units.quantity) for units in parcel.not_found] == [("l1", 2)]
    assert (await world.post(f"/shipments/{short}/pick", expect=409))["code"] == "cancelled"
    assert (await world.post(f"/shipments/{other}/pick"))["state"] == "picked"
    await world.quiet()
    assert len(world.told(ShipmentCancelled, order_id=order.order_id)) == 1


async def test_a_cancel_after_every_parcel_was_picked_short_is_answered_cancelled(world: World) -> None:
    order = confirmed(("p1",))
    [parcel] = await world.ship(order)
    await world.post(f"/shipments/{parcel}/pick", {"lines": [{"line_id": "l0", "picked": 0}]})
    await world.topics.say(cancel(order.order_id))
    answer = await world.topics.expect(
        ShipmentCancelled, lambda event: event.order_id == order.order_id and event.requested
    )
    assert [(units.line_id, units.quantity) for units in answer.parcels[0].not_found] == [("l0", 2)]


async def test_of_a_pick_and_a_cancel_at_the_same_time_exactly_one_wins(world: World) -> None:
    orders = [confirmed(("p1", "p2")) for _ in range(20)]
    parcels = {order.order_id: await world.ship(order) for order in orders}

    async def race(order_id: str) -> int:
        picking = world.service.http.post(f"/shipments/{parcels[order_id][1]}/pick")
        answer, _ = await asyncio.gather(picking, world.topics.say(cancel(order_id)))
        return answer.status_code

    statuses = await asyncio.gather(*(race(order.order_id) for order in orders))
    await world.quiet()
    for order, status in zip(orders, statuses, strict=True):
        cancelled = world.told(ShipmentCancelled, order_id=order.order_id)
        refused = world.told(ShipmentCancelRefused, order_id=order.order_id)
        assert (len(refused), len(cancelled)) == ((1, 0) if status == 200 else (0, 1))
        states = {
            row["state"] for row in (await world.get(f"/orders/{order.order_id}/shipments"))["shipments"]
        }
        assert states == ({"picked", "created"} if status == 200 else {"cancelled"})


async def test_confirmations_and_cancels_in_any_order_and_number_create_each_parcel_once(
    world: World,
) -> None:
    orders = [confirmed(("p1", "p2")) for _ in range(30)]
    said = [world.topics.say(order, message_id=new_id()) for order in orders for _ in range(2)]
    said += [world.topics.say(cancel(order.order_id)) for order in orders[::3] for _ in range(2)]
    await asyncio.gather(*said)
    await world.quiet()
    ids = {order.order_id for order in orders}
    created = [event.shipment_id for event in world.topics.all(ShipmentCreated) if event.order_id in ids]
    assert len(created) == len(set(created))
    for number, order in enumerate(orders):
        answers = world.told(ShipmentCancelled, order_id=order.order_id)
        assert len(answers) == (1 if number % 3 == 0 else 0)
        states = [
            row["state"] for row in (await world.get(f"/orders/{order.order_id}/shipments"))["shipments"]
        ]
        assert states in ([], ["cancelled"] * 2) if number % 3 == 0 else states == ["created"] * 2
