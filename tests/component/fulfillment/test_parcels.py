"""From a confirmed order to a dispatched parcel, by commands singly and in bulk."""

import asyncio

from shared.contracts.fulfillment import (
    ShipmentCreated,
    ShipmentDispatched,
    ShipmentLost,
    ShipmentReturnedToSender,
)
from shared.db.ids import new_id
from tests.component.fulfillment.world import World, confirmed


async def test_each_place_gets_one_parcel_however_often_the_confirmation_comes(world: World) -> None:
    order = confirmed(("p1", "p2", "p3"), (1, 2))
    await world.topics.say(order, copies=3)
    await world.topics.say(order, message_id=new_id())
    await world.quiet()
    created = world.told(ShipmentCreated, order_id=order.order_id)
    assert sorted((event.shipment_id, event.place_id) for event in created) == sorted(
        (place.shipment_id, place.place_id) for place in order.places
    )
    assert [(line.line_id, line.quantity) for line in created[0].lines] == [("l0", 1), ("l1", 2)]


async def test_an_order_that_names_another_ones_parcel_is_parked_and_no_other_is(world: World) -> None:
    first, thief, honest = confirmed(), confirmed(), confirmed()
    [parcel] = await world.ship(first)
    taken = thief.places[0].model_copy(update={"shipment_id": parcel})
    await world.topics.say(thief.model_copy(update={"places": (taken,)}))
    await world.topics.say(honest)
    await world.quiet()
    [letter] = await world.service.rows("SELECT reason, error FROM dead_letters")
    assert letter["reason"] == "taken_parcel" and parcel in letter["error"]
    assert (await world.get(f"/shipments/{parcel}"))["order_id"] == first.order_id
    assert len(world.told(ShipmentCreated, order_id=honest.order_id)) == 1
    assert not world.told(ShipmentCreated, order_id=thief.order_id)


async def test_a_parcel_goes_from_created_to_dispatched_and_every_step_can_be_repeated(world: World) -> None:
    [parcel] = await world.ship(confirmed())
    steps = [("pick", "picked", None), ("pack", "packed", {"weight_g": 900}), ("book", "packed", None)]
    steps.append(("dispatch", "dispatched", None))
    for step, state, body in steps:
        first = await world.post(f"/shipments/{parcel}/{step}", body)
        assert first["state"] == state
        assert await world.post(f"/shipments/{parcel}/{step}", body) == first
    for step, _, body in steps:
        assert (await world.post(f"/shipments/{parcel}/{step}", body))["state"] == "dispatched"
    said = await world.topics.expect(ShipmentDispatched, lambda event: event.shipment_id == parcel)
    assert said.carrier == "local"
    assert said.tracking_number in said.tracking_url
    await world.quiet()
    assert len(world.told(ShipmentDispatched, shipment_id=parcel)) == 1
    detail = await world.get(f"/shipments/{parcel}")
    assert [entry["kind"] for entry in detail["timeline"]] == ["picked", "packed", "booked", "dispatched"]


async def test_steps_out_of_turn_are_conflicts_that_say_what_to_do(world: World) -> None:
    [parcel] = await world.ship(confirmed())
    for step, code in [("pack", "not_picked"), ("book", "not_packed"), ("dispatch", "not_packed")]:
        problem = await world.post(f"/shipments/{parcel}/{step}", expect=409)
        assert problem["code"] == code
        assert "pick" in problem["detail"]
    assert (await world.post(f"/shipments/{parcel}/lost", expect=409))["code"] == "not_dispatched"
    await world.post(f"/shipments/{parcel}/pick")
    await world.post(f"/shipments/{parcel}/pack", {"weight_g": 500})
    assert (await world.post(f"/shipments/{parcel}/pack", {"weight_g": 600}, expect=409))[
        "code"
    ] == "already_packed"
    short = {"lines": [{"line_id": "l0", "picked": 1}]}
    assert (await world.post(f"/shipments/{parcel}/pick", short, expect=409))["code"] == "already_picked"


async def test_faulty_requests_name_every_field(world: World) -> None:
    [parcel] = await world.ship(confirmed(quantities=(1, 1)))
    problem = await world.post(
        f"/shipments/{parcel}/pick", {"lines": [{"line_id": "x", "picked": 1}]}, expect=422
    )
    assert {error["field"] for error in problem["errors"]} == {"lines.x", "lines.l0", "lines.l1"}
    twice = {"lines": [{"line_id": "l0", "picked": 1}] * 2}
    assert (
        "twice" in (await world.post(f"/shipments/{parcel}/pick", twice, expect=422))["errors"][0]["problem"]
    )
    await world.post(f"/shipments/{parcel}/pack", {"weigth_g": 1}, expect=422)
    await world.post(f"/shipments/{new_id()}/pick", expect=404)
    await world.post("/shipments/a%20b/pick", expect=422)
    await world.get("/shipments?after=rubbish", expect=422)
    await world.get("/shipments?state=gone", expect=422)
    await world.post(f"/shipments/{parcel}/dispatch", {"at": "9999-12-31T23:59:59-14:00"}, expect=422)


async def test_a_bulk_does_what_it_can_and_answers_row_by_row(world: World) -> None:
    orders = [confirmed(quantities=(1,)) for _ in range(500)]
    await asyncio.gather(*(world.topics.say(order) for order in orders))
    await world.quiet()
    parcels = [order.places[0].shipment_id for order in orders]
    rows = [{"shipment_id": parcel} for parcel in parcels]
    for step in ("pick", "pack", "book", "dispatch"):
        answer = await world.post(f"/bulk/{step}", {"shipments": rows})
        assert (answer["done"], answer["refused"]) == (500, 0)
        assert await world.post(f"/bulk/{step}", {"shipments": rows}) == answer
    numbers = {row["tracking_number"] for row in answer["results"]}
    assert len(numbers) == 500
    await world.quiet()
    assert (
        len([event for event in world.told(ShipmentDispatched) if event.shipment_id in set(parcels)]) == 500
    )
    await world.post("/bulk/pick", {"shipments": [*rows, rows[0]]}, expect=422)


async def test_a_refused_row_keeps_no_other_from_being_done(world: World) -> None:
    [first], [second] = await world.ship(confirmed()), await world.ship(confirmed())
    rows = [{"shipment_id": parcel} for parcel in (first, new_id(), second, first)]
    await world.post(f"/shipments/{first}/pick")
    answer = await world.post("/bulk/pack", {"shipments": rows})
    assert [row["status"] for row in answer["results"]] == [200, 404, 409, 200]
    assert answer["results"][2]["code"] == "not_picked"


async def test_one_key_counts_once_and_concurrent_commands_share_the_parcel(world: World) -> None:
    [parcel] = await world.ship(confirmed())
    picks = [
        world.service.http.post(f"/shipments/{parcel}/pick", headers={"Idempotency-Key": "k1"})
        for _ in range(10)
    ]
    answers = await asyncio.gather(*picks)
    assert {answer.status_code for answer in answers} == {200}
    detail = await world.get(f"/shipments/{parcel}")
    assert [entry["kind"] for entry in detail["timeline"]] == ["picked"]


async def test_people_end_parcels_once(world: World) -> None:
    lost, _ = await world.dispatched()
    back, _ = await world.dispatched()
    first = await world.post(f"/shipments/{lost}/lost", {"reason": "van burnt"})
    assert await world.post(f"/shipments/{lost}/lost") == first
    assert (await world.post(f"/shipments/{lost}/returned", expect=409))["code"] == "already_ended"
    await world.post(f"/shipments/{back}/returned", {"at": "2026-01-11T08:00:00+01:00"})
    said = await world.topics.expect(ShipmentReturnedToSender, lambda event: event.shipment_id == back)
    assert said.returned_at.isoformat() == "2026-01-11T07:00:00+00:00"
    await world.quiet()
    assert len(world.told(ShipmentLost, shipment_id=lost)) == 1
    assert len(world.told(ShipmentReturnedToSender)) == 1


async def test_lists_page_through_everything_and_work_shows_what_is_to_pick(world: World) -> None:
    place = f"place-{new_id()}"
    parcels = [(await world.ship(confirmed((place,))))[0] for _ in range(7)]
    seen, path = [], f"/shipments?place={place}&limit=3"
    after = ""
    while True:
        page = await world.get(path + after)
        seen += [row["shipment_id"] for row in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert sorted(seen) == sorted(parcels)
    assert len(seen) == 7
    await world.post(f"/shipments/{parcels[0]}/pick")
    await world.post(f"/shipments/{parcels[1]}/pick")
    await world.post(f"/shipments/{parcels[1]}/pack")
    work = await world.get(f"/work?place={place}")
    assert (work["to_pick"], work["to_pack"], work["to_dispatch"]) == (5, 1, 1)
    assert {row["shipment_id"] for row in work["items"]} == set(parcels[2:])
    picked = await world.get(f"/shipments?place={place}&state=picked")
    assert [row["shipment_id"] for row in picked["items"]] == [parcels[0]]
