"""What channels are told of quantities: absolute, in sequence, and not more often than needed."""

from services.inventory.handlers.order_cancelled import order_cancelled
from services.inventory.handlers.order_placed import order_placed
from shared.contracts.inventory import StockLevelChanged
from tests.component.inventory.batches import handle
from tests.component.inventory.world import World, cancelled, order


async def test_a_batch_tells_each_sku_that_changed_once(world: World) -> None:
    place, other = await world.place(), await world.place()
    one, two, still = (
        await world.sku({place: 50}),
        await world.sku({place: 9, other: 9}),
        await world.sku({place: 1}),
    )
    events = (
        [order([(one, 1), (two, 1)]) for _ in range(9)]
        + [order({one: 1}) for _ in range(9)]
        + [order({still: 2})]
    )
    await world.service.settled()
    before = {sku: len(world.levels_told(sku)) for sku in (one, two, still)}
    await handle(world.service, order_placed, *events)
    await world.topics.expect(StockLevelChanged, lambda it: it.sku == two and it.places[0].reserved == 9)
    await world.service.settled()
    assert {sku: len(world.levels_told(sku)) - before[sku] for sku in (one, two, still)} == {
        one: 1,
        two: 1,
        still: 0,
    }
    (at,) = world.levels_told(one)[-1].places
    assert (at.place_id, at.on_hand, at.reserved, at.unavailable, at.available) == (place, 50, 18, 0, 32)


async def test_sequences_count_up_without_gaps_and_the_last_is_the_truth(world: World) -> None:
    place = await world.place()
    sku = await world.sku({place: 20})
    held = [await world.reserved(order({sku: 1})) for _ in range(4)]
    await handle(world.service, order_cancelled, *(cancelled(it.order_id) for it in held[:2]))
    await world.adjust(sku, place, 5)
    await world.topics.expect(StockLevelChanged, lambda it: it.sku == sku and it.places[0].on_hand == 25)
    told = world.levels_told(sku)
    assert [it.sequence for it in told] == list(range(1, len(told) + 1))
    assert (told[-1].places[0].on_hand, told[-1].places[0].reserved) == (25, 2)
    assert await world.level(sku, place) == (25, 2, 0)


async def test_there_and_back_within_a_batch_is_no_news(world: World) -> None:
    place = await world.place()
    sku = await world.sku({place: 5})
    rows = [
        {
            "adjustment_id": f"{sku}-{number}",
            "sku": sku,
            "place_id": place,
            "delta": delta,
            "reason": "correction",
        }
        for number, delta in enumerate((3, -3, 0))
    ]
    await world.service.settled()
    before = len(world.levels_told(sku))
    answer = (await world.service.http.post("/bulk/adjustments", json={"rows": rows})).json()
    assert answer["taken"] == 3
    await world.service.settled()
    assert len(world.levels_told(sku)) == before
    ledger = (await world.service.http.get("/ledger", params={"sku": sku})).json()["items"]
    assert [it["on_hand"] for it in ledger] == [0, -3, 3, 5]
