"""Timed work: returns whose goods never came, and how many returns wait."""

from services.returns.handlers.expire_returns import expire_returns
from services.returns.settings import Settings
from services.returns.store import Store
from shared.runtime.service import Job, Service


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


JOBS = (Job("expire-returns", 60.0, expire), Job("measure-returns", 30.0, measure))
