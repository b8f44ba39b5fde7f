"""Timed work: returns whose goods never came, how many returns wait, what nobody needs any more."""

from datetime import timedelta

from services.returns.handlers.expire_returns import expire_returns
from services.returns.settings import Settings
from services.returns.store import Store
from shared.runtime.service import Job, Service

_AT_ONCE = 200


async def expire(service: Service[Store, Settings]) -> int:
    """Gives up a batch of returns past their time; returns how many."""
    async with service.transaction() as tx:
        return await expire_returns(tx)


async def measure(service: Service[Store, Settings]) -> int:
    """Counts the returns that wait for goods or for money."""
    async with service.read() as store:
        counts = await store.returns.open_by_state()
    gauge = service.metrics.gauge("returns_open", "Returns that wait for goods or for money", ("state",))
    for state in ("authorized", "received"):
        gauge.labels(state).set(counts.get(state, 0))
    return 0


async def purge(service: Service[Store, Settings]) -> int:
    """Deletes orders of long ago with their returns; returns how many orders."""
    async with service.transaction() as tx:
        before = tx.now - timedelta(days=service.settings.keep_orders_days)
        return await tx.store.orders.purge(before, _AT_ONCE)


JOBS = (
    Job("expire-returns", 60.0, expire),
    Job("measure-returns", 30.0, measure),
    Job("purge-orders", 3_600.0, purge),
)
