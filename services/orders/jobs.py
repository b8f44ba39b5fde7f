"""Timed work: deadlines, what is to be measured, what nobody needs any more."""

from datetime import timedelta

from services.orders.domain.saga import State
from services.orders.handlers.pass_deadlines import PassDeadlines, pass_deadlines
from services.orders.settings import Settings
from services.orders.store import Stage, Store
from shared.messaging.message import Done
from shared.runtime.service import Job, Service

_AT_ONCE = 200
_EMPTY = Stage(0, 0.0, 0.0)


async def look_at_deadlines(service: Service[Store, Settings]) -> int:
    """Lets deadlines pass that everything sent to us was handled for."""
    outcome = await service.command(pass_deadlines, PassDeadlines(_AT_ONCE), actor="job:deadlines")
    return int(outcome.body["orders"]) if isinstance(outcome, Done) else 0


async def measure_stages(service: Service[Store, Settings]) -> int:
    """Counts open orders by state and how long they stand there: reads all of them."""
    async with service.read() as store:
        stages = await store.listing.stages()
    for state in State:
        stage = stages.get(state.value, _EMPTY)
        service.metrics.saga_active.labels(state.value).set(stage.count)
        service.metrics.saga_state_age_seconds.labels(state.value, "max").set(stage.longest)
        service.metrics.saga_state_age_seconds.labels(state.value, "p95").set(stage.long)
    return 0


async def measure_waiting(service: Service[Store, Settings]) -> int:
    """Counts what is late: orders that need a person, and deadlines nobody looked at yet."""
    async with service.read() as store:
        waiting = await store.listing.attention()
        overdue = await store.listing.overdue()
    service.metrics.saga_deadline_overdue.set(overdue)
    service.metrics.gauge("orders_needing_attention", "Orders that need a person").set(waiting)
    return 0


async def purge(service: Service[Store, Settings]) -> int:
    """Deletes orders that were over long ago, and cancellations whose order never came."""
    async with service.transaction() as tx:
        over = tx.now - timedelta(days=service.settings.keep_orders_days)
        expected = tx.now - timedelta(days=service.settings.keep_expected_days)
        return await tx.store.listing.purge(over, expected, _AT_ONCE)


def jobs(settings: Settings) -> tuple[Job, ...]:
    """What runs how often."""
    return (
        Job("deadlines", settings.deadline_poll_seconds, look_at_deadlines),
        Job("measure-stages", 15.0, measure_stages, rest=100),
        Job("measure-waiting", 15.0, measure_waiting),
        Job("purge-orders", 3_600.0, purge),
    )
