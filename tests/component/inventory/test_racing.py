"""Many at once for the same units: exactly as many are promised as there are, and no two wait for each other."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from psycopg.errors import SerializationFailure

from deploy.local import Platform
from services.inventory.domain.adjustment import Adjustment
from services.inventory.handlers.adjust_stock import adjust_stock
from services.inventory.handlers.order_cancelled import order_cancelled
from services.inventory.handlers.order_placed import order_placed
from services.inventory.handlers.put_skus import put_skus
from services.inventory.handlers.shipment_dispatched import shipment_dispatched
from shared.contracts.envelope import Event
from shared.contracts.inventory import Allocation, Place, StockRejected, StockReserved
from shared.db.ids import new_id
from shared.messaging.message import Command, Done, Refused
from tests.component.inventory.batches import TRACE, handle
from tests.component.inventory.world import BERLIN, World, cancelled, dispatched, order
from tests.harness.service import Running, running, until, wire


async def answers(service: Running, order_ids: Sequence[str]) -> Counter[str]:
    rows = await service.rows(
        "SELECT answer FROM reservations WHERE order_id = ANY(:ids)", ids=list(order_ids)
    )
    return Counter(row["answer"] for row in rows)


async def test_two_orders_race_for_the_last_unit(world: World) -> None:
    place = await world.place()
    for _ in range(10):
        sku = await world.sku({place: 1})
        one, other = order({sku: 1}), order({sku: 1})
        await asyncio.gather(
            handle(world.service, order_placed, one), handle(world.service, order_placed, other)
        )
        assert await answers(world.service, [one.order_id, other.order_id]) == {"reserved": 1, "rejected": 1}
        assert await world.level(sku, place) == (1, 1, 0)


async def test_fifty_in_one_batch_compete_in_message_order(world: World) -> None:
    place = await world.place()
    sku = await world.sku({place: 10})
    orders = [order({sku: 1}) for _ in range(50)]
    await handle(world.service, order_placed, *orders)
    rows = await world.service.rows(
        "SELECT order_id FROM reservations WHERE answer = 'reserved' AND order_id = ANY(:ids)",
        ids=[it.order_id for it in orders],
    )
    assert {row["order_id"] for row in rows} == {it.order_id for it in orders[:10]}


async def test_the_same_order_twice_at_once_is_reserved_once(world: World) -> None:
    place = await world.place()
    sku = await world.sku({place: 10})
    event = order({sku: 3})
    await asyncio.gather(*(handle(world.service, order_placed, event, event) for _ in range(4)))
    assert await world.level(sku, place) == (10, 3, 0)
    assert await world.kinds(event.order_id) == ["reserved"]


async def test_an_order_and_its_cancellation_at_once_leave_nothing_held(world: World) -> None:
    place = await world.place()
    sku = await world.sku({place: 10})
    events = [order({sku: 1}) for _ in range(8)]
    await asyncio.gather(
        *(handle(world.service, order_placed, event) for event in events),
        *(handle(world.service, order_cancelled, cancelled(event.order_id)) for event in reversed(events)),
    )
    assert await world.level(sku, place) == (10, 0, 0)


async def test_a_pair_of_sku_and_place_that_is_new_to_both_is_counted_once(world: World) -> None:
    place, sku = await world.place(), await world.sku()
    commands = [
        Command(new_id(), Adjustment(new_id(), sku, place, "on_hand", 5, "received"), "t", TRACE)
        for _ in "1234"
    ]
    same = Command(new_id(), Adjustment(new_id(), sku, place, "on_hand", 100, "received"), "t", TRACE)

    async def adjust(command: Command[Adjustment]) -> Any:
        async with world.service.service.transaction() as tx:
            return (await adjust_stock([command], tx))[0]

    outcomes = await asyncio.gather(*(adjust(command) for command in [*commands, same, same, same]))
    assert [outcome.status for outcome in outcomes[:4]] == [201] * 4
    assert Counter(outcome.body["status"] for outcome in outcomes[4:]) == {"applied": 1, "known": 2}
    assert await world.level(sku, place) == (120, 0, 0)


async def test_batches_in_any_order_of_skus_and_orders_never_deadlock(world: World) -> None:
    dice = random.Random(7)
    places = [await world.place() for _ in range(3)]
    skus = [await world.sku(dict.fromkeys(places, 40)) for _ in range(12)]
    events = [order([(sku, 1) for sku in dice.sample(skus, 4)]) for _ in range(60)]

    def parcels(event: Any) -> list[Event]:
        held = tuple(Allocation(place_id=place, line_id="l0", sku=skus[0], quantity=1) for place in places)
        said = StockReserved(
            order_id=event.order_id,
            reservation_id="r",
            places=tuple(Place(place_id=place, address=BERLIN) for place in places),
            allocations=held,
        )
        return [dispatched(said, place) for place in places]

    async def work(seed: int) -> None:
        mine = random.Random(seed)
        for _ in range(12):
            some = mine.sample(events, 10)
            match mine.randrange(5):
                case 0 | 1:
                    await handle(world.service, order_placed, *some)
                case 2:
                    await handle(
                        world.service, order_cancelled, *(cancelled(event.order_id) for event in some)
                    )
                case 3:
                    gone = [parcel for event in some for parcel in parcels(event)]
                    await handle(world.service, shipment_dispatched, *gone)
                case _:
                    await adjust_and_put(mine)

    async def adjust_and_put(mine: random.Random) -> None:
        some = mine.sample(skus, 6)
        commands = [
            Command(
                new_id(), Adjustment(new_id(), sku, mine.choice(places), "on_hand", -1, "lost"), "t", TRACE
            )
            for sku in some
        ]
        async with world.service.service.transaction() as tx:
            outcomes = await adjust_stock(commands, tx)
            assert all(isinstance(outcome, Done | Refused) for outcome in outcomes)
        async with world.service.service.transaction() as tx:
            entries = [world.entry(sku) for sku in mine.sample(skus, 6)]
            await put_skus([Command(new_id(), entries, "t", TRACE)], tx)

    await asyncio.gather(*(work(seed) for seed in range(6)))
    assert await world.drift() == []


async def test_batches_of_the_same_new_orders_in_opposite_order_never_deadlock(world: World) -> None:
    async def write(order_ids: Sequence[str]) -> bool:
        try:
            async with world.service.service.transaction() as tx:
                taken = await tx.store.reservations.take(dict.fromkeys(order_ids, TRACE))
                assert len(taken) == len(order_ids)
                await tx.store.reservations.save(taken, taken)
                return True
        except SerializationFailure:
            return False

    for _ in range(3):  # So many that both are surely in the midst of it at the same time.
        ids = [new_id() for _ in range(5_000)]
        assert any(await asyncio.gather(write(ids), write(ids[::-1])))


async def test_fifty_orders_race_for_ten_units_through_two_processes(platform: Platform) -> None:
    from deploy.local.topics import apply

    prefix = f"race{new_id()[-8:]}."
    apply(platform.kafka, prefix=prefix)
    async with (
        running(platform, "inventory", prefix=prefix) as one,
        running(platform, "inventory", prefix=prefix, database_url=one.database_url) as other,
        wire(platform, prefix) as topics,
    ):
        world = World(one, topics)
        await until(
            lambda: one.service.source.assignment() and other.service.source.assignment(),
            "both have partitions",
        )
        places = [await world.place(), await world.place()]
        sku = await world.sku({places[0]: 4, places[1]: 6})
        orders = [order({sku: 1}) for _ in range(50)]
        await asyncio.gather(*(topics.say(event, copies=2) for event in orders))
        reserved = await topics.expect(StockReserved, count=10)
        await topics.expect(StockRejected, count=40)
        await one.settled()
        assert len(topics.all(StockReserved)) == 10 and len(topics.all(StockRejected)) == 40
        assert Counter(it.allocations[0].place_id for it in reserved) == {places[0]: 4, places[1]: 6}
        assert [await world.level(sku, place) for place in places] == [(4, 4, 0), (6, 6, 0)]
        assert await world.drift() == []
