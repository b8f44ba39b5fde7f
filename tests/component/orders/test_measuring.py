"""What dashboards are told of orders: begun, ended and how, what was taken back; only what was committed counts."""

import pytest

from services.orders.jobs import measure_stages, measure_waiting
from shared.contracts.orders import OrderCancelled, OrderCancelRequested, OrderCompleted
from tests.component.orders import world as say
from tests.component.orders.conftest import World
from tests.harness.service import running, wire

QUICK = {"deadline_poll_seconds": 0.1}


def told(world: World, name: str, **labels: str) -> float | None:
    """What the service's metrics say now."""
    return world.service.service.metrics.registry.get_sample_value(f"oms_{name}", labels)


async def test_orders_are_counted_when_they_begin_and_when_they_end(platform, topic_prefix):
    async with (
        running(platform, "orders", prefix=topic_prefix, **QUICK) as service,
        wire(platform, topic_prefix) as topics,
    ):
        world = World(service, topics)
        submitted = say.order()
        order_id = await world.place(submitted)
        assert (await world.post("/orders", say.body(submitted))).json() == {
            "order_id": order_id,
            "new": False,
        }
        await topics.say(say.reserved(order_id))
        await topics.say(say.authorized(order_id))
        await world.until_state(order_id, "awaiting_shipment")
        await topics.say(say.dispatched(order_id))
        await topics.say(say.delivered(order_id))
        await topics.expect(OrderCompleted, world.about(order_id))

        rejected = await world.place()
        await topics.say(say.rejected(rejected))
        await topics.expect(OrderCancelled, world.about(rejected))

        forgotten = await world.place()
        an_hour_ago = "SET placed_at = now() - interval '1 hour', deadline_at = now() - interval '1 hour'"
        await service.rows(f"UPDATE orders {an_hour_ago} WHERE id = :id", id=forgotten)
        await topics.expect(OrderCancelled, world.about(forgotten))

        recalled = await world.confirm()
        await topics.say(say.reserved(recalled))
        await world.until_flagged(recalled, "contradiction")
        await world.post(f"/orders/{recalled}/cancel", {"reason": "mistake"})
        await topics.expect(OrderCancelRequested, world.about(recalled))
        await topics.say(say.cancelled_as_asked(recalled))
        await topics.expect(OrderCancelled, world.about(recalled))
        await service.settled()

        assert told(world, "saga_started_total") == 4
        ends = ("completed", "out_of_stock", "stock_deadline", "cancel_requested", "payment_failed")
        assert [told(world, "saga_finished_total", outcome=end) for end in ends] == [1, 1, 1, 1, None]
        assert told(world, "saga_duration_seconds_count", outcome="completed") == 1
        waited = told(world, "saga_duration_seconds_sum", outcome="stock_deadline")
        assert waited is not None and waited >= 3600
        assert told(world, "saga_deadlines_passed_total", waited_for="stock") == 1
        steps = [told(world, "saga_compensations_total", step=step) for step in ("recall", "release", "void")]
        assert steps == [1, 1, 1]
        unexpected = {"state": "awaiting_shipment", "event": "stock.reserved"}
        assert told(world, "saga_unexpected_event_total", **unexpected) == 1


async def test_open_orders_are_measured_by_state(platform, topic_prefix):
    async with (
        running(platform, "orders", prefix=topic_prefix, roles=("api", "consumer", "relay")) as service,
        wire(platform, topic_prefix) as topics,
    ):
        world = World(service, topics)
        first = await world.place()
        await world.place()
        await service.rows(
            "UPDATE orders SET changed_at = now() - interval '1 hour' WHERE id = :id", id=first
        )
        await service.rows(
            "UPDATE orders SET deadline_at = now() - interval '1 hour' WHERE id = :id", id=first
        )
        await measure_stages(service.service)
        await measure_waiting(service.service)
        assert told(world, "saga_active", state="awaiting_stock") == 2
        assert 3600 <= told(world, "saga_state_age_seconds", state="awaiting_stock", stat="max") < 3700
        assert 3000 < told(world, "saga_state_age_seconds", state="awaiting_stock", stat="p95") < 3600
        assert told(world, "saga_state_age_seconds", state="shipped", stat="max") == 0
        assert told(world, "saga_deadline_overdue") == 1


async def test_what_is_rolled_back_is_not_counted(world):
    metrics = world.service.service.metrics
    before = told(world, "saga_started_total")
    with pytest.raises(RuntimeError, match="the database went away"):
        async with world.service.service.transaction() as tx:
            tx.measure(tx.metrics.saga_started.inc)
            raise RuntimeError("the database went away")
    assert told(world, "saga_started_total") == before
    async with world.service.service.transaction() as tx:
        assert tx.metrics is metrics
        tx.measure(tx.metrics.saga_started.inc)
        assert told(world, "saga_started_total") == before
    assert told(world, "saga_started_total") == before + 1
