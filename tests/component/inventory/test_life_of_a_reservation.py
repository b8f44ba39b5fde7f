"""An order's stock from placed to gone and back, on the real broker and database."""

from services.inventory.jobs import purge
from shared.contracts.envelope import Address
from shared.contracts.inventory import StockRejected, StockReleased, StockReserved
from shared.contracts.returns import ReceivedUnits, ReturnReceived
from shared.db.ids import new_id, shipment_id
from tests.component.inventory.world import BERLIN, MUNICH, World, cancelled, dispatched, order, short_picked
from tests.harness.service import until


async def test_the_nearest_place_holds_the_order_and_says_what_it_ships(world: World) -> None:
    berlin, munich = (
        await world.place(address=BERLIN, kind="store", name="Mitte"),
        await world.place(address=MUNICH),
    )
    size = {"length_mm": 10, "width_mm": 20, "height_mm": 30}
    sku = await world.sku({berlin: 5, munich: 50}, weight_g=250, size=size)
    near_munich = Address(country="DE", latitude=48.0, longitude=11.6)
    first = await world.reserved(order({sku: 2}))
    second = await world.reserved(order({sku: 2}, to=near_munich))
    assert [place.place_id for place in first.places] == [berlin]
    assert (
        first.places[0].kind == "store"
        and first.places[0].name == "Mitte"
        and first.places[0].address == BERLIN
    )
    assert [place.place_id for place in second.places] == [munich]
    (held,) = first.allocations
    assert (held.line_id, held.sku, held.quantity, held.unit_weight_g) == ("l0", sku, 2, 250)
    assert held.unit_size is not None and held.unit_size.model_dump() == size
    view = (await world.service.http.get(f"/reservations/{first.order_id}")).json()
    assert view["answer"] == "reserved" and view["reservation_id"] == first.reservation_id
    assert view["allocations"][0]["fate"] == "held"
    assert view["sourcing"]["rule"] == "nearest" and view["sourcing"]["destination_known_by"] == "city"
    assert "the nearest" in view["sourcing"]["explanation"]
    assert view["sourcing"]["candidates"][0]["kilometres"] == 0.0


async def test_a_split_is_the_last_resort_and_serves_every_line(world: World) -> None:
    berlin, munich = await world.place(address=BERLIN), await world.place(address=MUNICH)
    one, other = await world.sku({berlin: 3, munich: 3}), await world.sku({munich: 1})
    together = await world.reserved(order([(one, 1), (other, 1), (one, 1)]))
    assert {it.place_id for it in together.allocations} == {munich}
    split = await world.reserved(order([(one, 2), (one, 2)]))
    assert [(it.line_id, it.place_id, it.quantity) for it in split.allocations] == [
        ("l0", berlin, 2),
        ("l1", berlin, 1),
        ("l1", munich, 1),
    ]


async def test_what_cannot_be_promised_is_rejected_whole_with_all_reasons(world: World) -> None:
    place = await world.place()
    scarce, plenty = await world.sku({place: 1}), await world.sku({place: 100})
    event = order([(scarce, 2), (plenty, 1), ("never-heard-of", 1)])
    await world.topics.say(event)
    rejected = await world.topics.expect(StockRejected, lambda it: it.order_id == event.order_id)
    assert [(it.sku, it.requested, it.available, it.reason) for it in rejected.shortages] == [
        (scarce, 2, 1, "not_enough_stock"),
        ("never-heard-of", 1, 0, "unknown_sku"),
    ]
    assert await world.level(plenty, place) == (100, 0, 0)


async def test_dispatch_takes_units_away_once(world: World) -> None:
    place = await world.place()
    sku = await world.sku({place: 10})
    reserved = await world.reserved(order({sku: 4}))
    assert await world.level(sku, place) == (10, 4, 0)
    await world.topics.say(dispatched(reserved, place), copies=3)
    await world.topics.say(dispatched(reserved, place))  # The same parcel under another message id.
    await world.service.settled()
    assert await world.level(sku, place) == (6, 0, 0)
    assert await world.kinds(shipment_id(reserved.order_id, place)) == ["dispatched"]


async def test_cancelling_gives_everything_back_and_says_so_once(world: World) -> None:
    place = await world.place()
    sku = await world.sku({place: 10})
    reserved = await world.reserved(order({sku: 4}))
    await world.topics.say(cancelled(reserved.order_id), copies=2)
    await world.topics.say(cancelled(reserved.order_id))
    released = await world.topics.expect(StockReleased, lambda it: it.order_id == reserved.order_id)
    await world.service.settled()
    assert released.allocations == reserved.allocations
    assert len(world.topics.all(StockReleased, lambda it: it.order_id == reserved.order_id)) == 1
    assert await world.level(sku, place) == (10, 0, 0)
    assert await world.kinds(reserved.order_id) == ["reserved", "released"]
    view = (await world.service.http.get(f"/reservations/{reserved.order_id}")).json()
    assert view["cancelled"] and view["answer"] == "reserved" and view["allocations"][0]["fate"] == "released"
    assert view["sourcing"]["rule"] == "only_choice"


async def test_a_cancel_that_overtakes_its_order_leaves_a_tombstone(world: World) -> None:
    place = await world.place()
    sku = await world.sku({place: 10})
    event = order({sku: 4})
    await world.topics.say(cancelled(event.order_id))
    released = await world.topics.expect(StockReleased, lambda it: it.order_id == event.order_id)
    assert released.allocations == ()
    await world.topics.say(event)
    await world.service.settled()
    assert await world.level(sku, place) == (10, 0, 0)
    assert world.topics.all(StockReserved, lambda it: it.order_id == event.order_id) == []
    assert world.topics.all(StockRejected, lambda it: it.order_id == event.order_id) == []


async def test_a_short_pick_keeps_what_was_not_found_from_being_sold(world: World) -> None:
    place = await world.place()
    sku = await world.sku({place: 10})
    reserved = await world.reserved(order({sku: 4}))
    await world.topics.say(short_picked(reserved, place, {"l0": 3}))
    await world.service.settled()
    assert await world.level(sku, place) == (10, 0, 3)
    # The answer about the whole order repeats it, and the order is then cancelled: nothing more happens.
    await world.topics.say(short_picked(reserved, place, {"l0": 3}, requested=True))
    await world.topics.say(cancelled(reserved.order_id))
    await world.topics.expect(StockReleased, lambda it: it.order_id == reserved.order_id)
    await world.service.settled()
    assert await world.level(sku, place) == (10, 0, 3)
    assert (await world.adjust(sku, place, -3, counter="unavailable", reason="counted")).status_code == 201
    assert await world.level(sku, place) == (10, 0, 0)


async def test_an_answer_without_parcels_changes_nothing(world: World) -> None:
    place = await world.place()
    sku = await world.sku({place: 2})
    reserved = await world.reserved(order({sku: 2}))
    await world.topics.say(short_picked(reserved, place, {}).model_copy(update={"parcels": ()}))
    await world.service.settled()
    assert await world.level(sku, place) == (2, 2, 0)


async def test_goods_that_come_back_go_where_their_disposition_says(world: World) -> None:
    place, dock = await world.place(), f"dock-{new_id()}"
    sku = await world.sku({place: 10})
    reserved = await world.reserved(order({sku: 6}))
    parcel = shipment_id(reserved.order_id, place)
    await world.topics.say(dispatched(reserved, place))

    def units(quantity: int, disposition: str) -> ReceivedUnits:
        return ReceivedUnits.model_validate(
            {
                "shipment_id": parcel,
                "line_id": "l0",
                "sku": sku,
                "quantity": quantity,
                "condition": "opened",
                "disposition": disposition,
            }
        )

    return_id = new_id()
    received = ReturnReceived(
        order_id=reserved.order_id,
        return_id=return_id,
        place_id=dock,
        units=(units(1, "restock"), units(2, "quarantine"), units(3, "scrap")),
        value=0,
        currency="EUR",
    )
    await world.topics.say(received, copies=2)
    await world.topics.say(received)
    await world.service.settled()
    assert await world.level(sku, dock) == (3, 0, 2)
    assert await world.kinds(return_id) == ["quarantined", "restocked", "scrapped"]
    # The catalogue does not know the dock, so nothing is sold from there until it does.
    free = (await world.service.http.get("/availability", params={"sku": sku})).json()[0]
    assert free["available"] == 4 and {it["place_id"]: it["active"] for it in free["places"]} == {
        place: True,
        dock: False,
    }
    await world.place(dock)
    free = (await world.service.http.get("/availability", params={"sku": sku})).json()[0]
    assert free["available"] == 5


async def test_a_return_of_an_unknown_sku_waits_for_a_person_and_can_be_replayed(world: World) -> None:
    sku, return_id = f"sku-{new_id()}", new_id()
    units = ReceivedUnits(
        shipment_id="s", line_id="l", sku=sku, quantity=1, condition="new", disposition="restock"
    )
    event = ReturnReceived(
        order_id=new_id(), return_id=return_id, place_id="p", units=(units,), value=0, currency="EUR"
    )
    await world.topics.say(event)
    query = "SELECT id, error FROM dead_letters WHERE state = 'parked'"
    (row,) = await until(lambda: world.service.rows(query), "the return is parked")
    assert sku in row["error"] and "create SKU" in row["error"]
    await world.service.http.put(f"/skus/{sku}", json={})
    from shared.runtime.dead_letters import replay_one

    outcome = await replay_one(world.service.service, row["id"], by="a test", why="the SKU exists now")
    assert outcome["outcome"] == "handled"
    assert await world.level(sku, "p") == (1, 0, 0)


async def test_an_inactive_place_keeps_what_it_holds_and_gets_no_new_orders(world: World) -> None:
    place = await world.place()
    sku = await world.sku({place: 5})
    reserved = await world.reserved(order({sku: 1}))
    await world.place(place, active=False)
    event = order({sku: 1})
    await world.topics.say(event)
    rejected = await world.topics.expect(StockRejected, lambda it: it.order_id == event.order_id)
    assert rejected.shortages[0].available == 0
    await world.topics.say(dispatched(reserved, place))
    await world.service.settled()
    assert await world.level(sku, place) == (4, 0, 0)


async def test_everything_said_of_an_order_stays_in_its_trace_and_counts_up(world: World) -> None:
    place = await world.place()
    sku = await world.sku({place: 5})
    event = order({sku: 1})
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    await world.topics.say(event, traceparent=f"00-{trace_id}-00f067aa0ba902b7-00")
    await world.topics.expect(StockReserved, lambda it: it.order_id == event.order_id)
    await world.topics.say(cancelled(event.order_id))
    await world.topics.expect(StockReleased, lambda it: it.order_id == event.order_id)
    said = [
        headers
        for heard, headers in zip(world.topics.heard, world.topics.headers, strict=True)
        if isinstance(heard, StockReserved | StockReleased) and heard.order_id == event.order_id
    ]
    assert [headers["traceparent"].split("-")[1] for headers in said] == [trace_id, trace_id]
    assert [int(headers["ce_sequence"]) for headers in said] == [1, 2]


async def test_orders_of_long_ago_are_forgotten_unless_units_are_held_and_stock_stays(world: World) -> None:
    place = await world.place()
    sku = await world.sku({place: 10})
    old = [f"00{new_id()[2:]}" for _ in range(2)]  # Ids rise with time: these were made decades ago.
    gone, held = [await world.reserved(order({sku: 2}, order_id=order_id)) for order_id in old]
    new = await world.reserved(order({sku: 1}))
    await world.topics.say(dispatched(gone, place))
    await world.topics.say(dispatched(new, place))
    await world.service.settled()
    before = await world.level(sku, place)
    assert await purge(world.service.service) == 1
    assert await purge(world.service.service) == 0
    found = [
        (await world.service.http.get(f"/reservations/{each.order_id}")).status_code
        for each in (gone, held, new)
    ]
    assert found == [404, 200, 200]
    for table in ("allocations", "parcels"):
        sql = f"SELECT count(*) AS n FROM {table} WHERE order_id = :id"
        assert await world.service.rows(sql, id=gone.order_id) == [{"n": 0}]
    assert await world.level(sku, place) == before
    assert not await world.drift()
