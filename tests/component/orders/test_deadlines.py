"""Deadlines: they end what waits in vain, and they never overtake an answer that only waits to be read."""

from datetime import datetime, timedelta

from services.orders.jobs import purge
from shared.contracts.channels import OrderCancelSubmitted
from shared.contracts.orders import OrderCancelled, OrderConfirmed
from shared.db.ids import new_id
from tests.component.orders import world as say
from tests.component.orders.conftest import World
from tests.harness.service import running, until, wire

QUICK = {"deadline_poll_seconds": 0.1}


async def test_an_order_without_an_answer_about_stock_is_cancelled(platform, topic_prefix):
    async with (
        running(platform, "orders", prefix=topic_prefix, stock_seconds=1.0, **QUICK) as service,
        wire(platform, topic_prefix) as topics,
    ):
        world = World(service, topics)
        order_id = await world.place()
        cancelled = await topics.expect(OrderCancelled, world.about(order_id))
        assert cancelled.reason == "stock_deadline"
        await topics.say(say.reserved(order_id))
        await service.settled()
        assert (await world.show(order_id))["state"] == "cancelled"
        assert not topics.all(OrderConfirmed, world.about(order_id))


async def test_an_answer_that_waits_unread_after_an_outage_has_come_in_time(platform, topic_prefix):
    database_url = platform.create_database("orders")
    common = {"prefix": topic_prefix, "database_url": database_url, "stock_seconds": 3_600.0, **QUICK}
    async with wire(platform, topic_prefix) as topics:
        async with running(platform, "orders", roles=("api", "relay", "consumer"), **common) as service:
            world = World(service, topics)
            order_id = await world.place()
            await service.settled()
        # The outage: the answer comes in time, and nobody reads it before the deadline is over.
        await topics.say(say.reserved(order_id))
        await topics.say(say.authorized(order_id))
        async with running(platform, "orders", roles=("api", "relay", "jobs"), **common) as service:
            # Whatever time all this took: the deadline lies behind what was consumed, and is over in a moment.
            consumed = (
                "coalesce((SELECT max(consumed_until) FROM progress), now()) + interval '10 milliseconds'"
            )
            moved = f"placed_at = {consumed} - interval '1 hour', deadline_at = {consumed}"
            await service.rows(f"UPDATE orders SET {moved} WHERE id = :id", id=order_id)
            over = "SELECT 1 FROM orders WHERE id = :id AND deadline_at < now() - interval '1 second'"

            async def deadline_is_over() -> bool:
                return bool(await service.rows(over, id=order_id))

            await until(deadline_is_over, "the deadline lies a second back, and the job looked ten times")
            shown = await World(service, topics).show(order_id)
            assert shown["state"] == "awaiting_stock", "the deadline overtook an unread answer"
        async with running(platform, "orders", **common) as service:
            await topics.expect(OrderConfirmed, lambda event: event.order_id == order_id)
            await service.settled()
            assert not topics.all(OrderCancelled, lambda event: event.order_id == order_id)


async def test_an_unpaid_order_is_cancelled_but_only_once_its_stock_is_held(platform, topic_prefix):
    async with (
        running(platform, "orders", prefix=topic_prefix, payment_seconds=1.0, **QUICK) as service,
        wire(platform, topic_prefix) as topics,
    ):
        world = World(service, topics)
        waiting, reserved = await world.place(), await world.place()
        await topics.say(say.reserved(reserved))
        assert (await topics.expect(OrderCancelled, world.about(reserved))).reason == "payment_deadline"
        shown = await world.show(waiting)
        assert shown["state"] == "awaiting_stock"
        (wait,) = shown["waiting_for"]
        assert (wait["kind"], wait["since"]) == ("stock", shown["placed_at"])
        thirty_minutes = datetime.fromisoformat(wait["until"]) - datetime.fromisoformat(wait["since"])
        assert thirty_minutes == timedelta(minutes=30)


async def test_what_takes_too_long_to_ship_or_to_arrive_is_flagged_and_the_flag_passes(
    platform, topic_prefix
):
    quick = {"shipment_seconds": 0.5, "delivery_seconds": 0.5, **QUICK}
    async with (
        running(platform, "orders", prefix=topic_prefix, **quick) as service,
        wire(platform, topic_prefix) as topics,
    ):
        world = World(service, topics)
        order_id = await world.confirm()
        late = await world.until_flagged(order_id, "overdue")
        assert late["reason"].startswith("shipment of")
        await topics.say(say.dispatched(order_id))

        async def both() -> bool:
            shown = [
                one["state"] for one in (await world.show(order_id))["attention"] if one["kind"] == "overdue"
            ]
            return shown == ["passed", "open"]

        await until(both, "the shipment is no longer overdue, the delivery is")
        await topics.say(say.delivered(order_id))
        shown = await world.until_state(order_id, "completed")
        assert [one["state"] for one in shown["attention"] if one["kind"] == "overdue"] == [
            "passed",
            "passed",
        ]


async def test_what_was_over_long_ago_and_what_never_came_is_deleted(platform, topic_prefix):
    async with (
        running(platform, "orders", prefix=topic_prefix) as service,
        wire(platform, topic_prefix) as topics,
    ):
        world = World(service, topics)
        over, going_on = await world.place(), await world.place()
        await world.post(f"/orders/{over}/cancel", {"reason": "x"})
        await topics.say(OrderCancelSubmitted(channel="shop", external_id=f"never-{new_id()}"))
        await service.settled()
        assert await purge(service.service) == 0
        # Ids rise with time: one that begins with 00 was made 35 years earlier.
        await service.rows("UPDATE order_timeline SET order_id = '00' || substr(order_id, 3)")
        await service.rows(
            "UPDATE orders SET id = '00' || substr(id, 3), changed_at = now() - interval '10 years'"
        )
        assert await purge(service.service) == 2
        left = await service.rows(
            "SELECT o.id, count(*) AS n FROM orders o JOIN order_timeline ON true GROUP BY 1"
        )
        assert left == [{"id": "00" + going_on[2:], "n": 1}]


async def test_a_deadline_that_gives_way_to_the_next_is_no_change_of_the_order(platform, topic_prefix):
    """Who asks for what changed lately, or how long an order has stood still, is told of what happened only."""
    async with running(platform, "orders", prefix=topic_prefix, **QUICK) as service:
        order_id = await World(service, None).place()
        [before] = await service.rows("SELECT changed_at FROM orders WHERE id = :id", id=order_id)
        early = "UPDATE orders SET deadline_at = placed_at - interval '1 hour' WHERE id = :id"
        await service.rows(early, id=order_id)

        async def moved() -> bool:
            later = "SELECT 1 FROM orders WHERE id = :id AND deadline_at > placed_at"
            return bool(await service.rows(later, id=order_id))

        await until(moved, "the job found no deadline passed and noted the true one")
        [after] = await service.rows("SELECT changed_at FROM orders WHERE id = :id", id=order_id)
        assert after == before
