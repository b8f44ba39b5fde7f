"""Several processes of the service at once, on topics of their own."""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local import Platform
from services.returns.jobs import expire
from shared.contracts.returns import ReturnAuthorized, ReturnRejected
from tests.component.returns.world import World, confirmed, delivered, found, refunded, sent_back, units
from tests.harness.service import Running, running, wire


async def test_a_batch_about_the_same_orders_in_mixed_order(platform: Platform, topic_prefix: str) -> None:
    orders = [confirmed({"w1": {"l1": (2, 100)}, "w2": {"l2": (1, 7)}}) for _ in range(150)]
    async with wire(platform, topic_prefix) as topics:
        for order in orders:
            events = [
                order,
                delivered(order, "w1"),
                sent_back(order, "w2"),
                refunded(order, f"r-{order.order_id}"),
            ]
            turn = int(order.order_id[-1], 16) % 4
            for event in events[turn:] + events[:turn]:
                await topics.say(event, copies=2)
        url = platform.create_database("returns")
        async with (
            running(platform, "returns", prefix=topic_prefix, database_url=url) as one,
            running(platform, "returns", prefix=topic_prefix, database_url=url),
        ):
            world = World(one, topics)
            await world.quiet()
            assert {await world.returnable(order) for order in orders} == {2}
            for order in orders:
                [event] = topics.all(
                    ReturnAuthorized, lambda event, wanted=order.order_id: event.order_id == wanted
                )
                assert event.origin == "returned_to_sender"
            parked = await one.rows("SELECT count(*) AS parked FROM dead_letters")
            assert parked == [{"parked": 0}]
            [kept] = await one.rows("SELECT count(*) AS kept FROM returnables WHERE refunded <> '[]'")
            assert kept["kept"] >= len(orders)


async def test_two_processes_race_for_the_last_unit(platform: Platform, topic_prefix: str) -> None:
    url = platform.create_database("returns")
    async with (
        wire(platform, topic_prefix) as topics,
        running(platform, "returns", prefix=topic_prefix, database_url=url) as one,
        running(platform, "returns", prefix=topic_prefix, database_url=url, roles=("api",)) as two,
    ):
        world, other = World(one, topics), World(two, topics)
        order = await world.arrived({"w1": {"l1": (10, 1001)}})
        answers = await asyncio.gather(
            *((world, other)[number % 2].ask(order, units()) for number in range(50))
        )
        opened = [answer.json()["return_id"] for answer in answers if answer.status_code == 201]
        assert len(opened) == 10
        boxes = await asyncio.gather(
            *(
                (world, other)[number % 2].receive(return_id, found())
                for number, return_id in enumerate(opened * 2)
            )
        )
        values = {box.json()["return_id"]: box.json()["received"]["value"] for box in boxes}
        assert sum(values.values()) == 1001
        assert sorted(values.values()) == [100] * 9 + [101]


async def test_returns_whose_goods_never_came_expire_once(platform: Platform, topic_prefix: str) -> None:
    url = platform.create_database("returns")
    settings = {"prefix": topic_prefix, "database_url": url, "expire_days": 1e-9}
    roles = ("api", "consumer", "relay")
    async with (
        wire(platform, topic_prefix) as topics,
        running(platform, "returns", roles=roles, **settings) as one,
        running(platform, "returns", roles=("api",), **settings) as two,
    ):
        world = World(one, topics)
        order = await world.arrived({"w1": {"l1": (40, 400)}})
        opened = [await world.opened(order, units()) for _ in range(39)]
        kept = await world.opened(order, units())
        await world.receive(kept, found())
        counts = await asyncio.gather(*(expire(service.service) for service in (one, two) * 3))
        assert sum(counts) == len(opened)
        await topics.expect(ReturnRejected, lambda event: event.order_id == order.order_id, count=len(opened))
        await world.quiet()
        said = topics.all(ReturnRejected, lambda event: event.order_id == order.order_id)
        assert {event.return_id for event in said} == set(opened) and len(said) == len(opened)
        assert {event.reason for event in said} == {"expired"}
        assert (await world.find(kept))["state"] == "received"


async def test_a_return_others_work_on_is_left_out_by_the_expiry(
    platform: Platform, topic_prefix: str
) -> None:
    async with (
        wire(platform, topic_prefix) as topics,
        running(platform, "returns", roles=("api", "consumer"), prefix=topic_prefix, expire_days=1e-9) as one,
    ):
        world = World(one, topics)
        order = await world.arrived({"w1": {"l1": (1, 100)}})
        await world.opened(order, units())
        async with one.service.transaction() as tx:
            await tx.store.hold([order.order_id])
            assert await asyncio.wait_for(expire(one.service), 10) == 0
        assert await expire(one.service) == 1


async def test_everything_heard_again_changes_nothing(platform: Platform, topic_prefix: str) -> None:
    """A process dies after its commit and before the broker knows; worse, the inbox has forgotten what was handled."""
    url = platform.create_database("returns")
    order = confirmed({"w1": {"l1": (2, 100)}, "w2": {"l2": (1, 7)}})
    async with wire(platform, topic_prefix) as topics:
        async with running(platform, "returns", prefix=topic_prefix, database_url=url) as service:
            world = World(service, topics)
            for event in (order, delivered(order), sent_back(order, "w2")):
                await topics.say(event)
            await world.until_offered(order, 2)
            received, awaited = await world.opened(order, units()), await world.opened(order, units())
            await world.receive(received, found())
            await topics.say(refunded(order, received))
            await world.until_state(received, "closed")
            await service.settled()
            before = await everything(service, order.order_id)
            names = [topic_prefix + topic for topic in service.service.decoder.topics]
        for forgetful in (False, True):
            await rewind(platform, topic_prefix + "returns", names)
            async with running(
                platform, "returns", prefix=topic_prefix, database_url=url, roles=("api",)
            ) as service:
                if forgetful:
                    await service.rows("DELETE FROM inbox")
            async with running(platform, "returns", prefix=topic_prefix, database_url=url) as service:
                await World(service, topics).quiet()
                assert await everything(service, order.order_id) == before
        said = [event for event in topics.all(ReturnAuthorized) if event.order_id == order.order_id]
        assert len(said) == len({event.return_id for event in said}) == 3
        assert awaited in {event.return_id for event in said}


async def everything(service: Running, order_id: str) -> list[list[dict[str, Any]]]:
    return [
        await service.rows("SELECT * FROM returnables WHERE order_id = :order", order=order_id),
        await service.rows(
            "SELECT * FROM returns WHERE order_id = :order ORDER BY return_id", order=order_id
        ),
    ]


async def rewind(platform: Platform, group: str, topics: list[str]) -> None:
    """Let a group begin again; nobody of it may be running."""
    consumer = AIOKafkaConsumer(bootstrap_servers=platform.kafka, group_id=group, enable_auto_commit=False)
    await consumer.start()
    cluster = await consumer._client.fetch_all_metadata()
    places = [
        TopicPartition(topic, number) for topic in topics for number in cluster.partitions_for_topic(topic)
    ]
    consumer.assign(places)
    await consumer.commit(dict.fromkeys(places, 0))
    await consumer.stop()
