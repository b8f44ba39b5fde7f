"""Timed work: the audit, and forgetting orders of long ago."""

from datetime import timedelta
from typing import Any

import structlog

from services.inventory.settings import Settings
from services.inventory.store import Store
from shared.runtime.service import Job, Service

log = structlog.get_logger(__name__)

_SHOWN = 20
_AT_ONCE = 200


async def audit(service: Service[Store, Settings]) -> list[dict[str, Any]]:
    """Where counters differ from the ledger's sums or from what reservations hold; measures and logs what it finds."""
    async with service.read() as store:
        found = await store.reports.drift(service.settings.audit_timeout_seconds)
    units = sum(abs(row["counted"] - row["explained"]) for row in found)
    service.metrics.gauge("ledger_drift_units", "Units by which counters differ from the ledger").set(units)
    for row in found[:_SHOWN]:
        log.error("stock drifts from its ledger", **row)
    return found


async def _audit(service: Service[Store, Settings]) -> int:
    await audit(service)
    return 0


async def purge(service: Service[Store, Settings]) -> int:
    """Deletes what is known of orders of long ago for which nothing is held."""
    async with service.transaction() as tx:
        before = tx.now - timedelta(days=service.settings.keep_orders_days)
        return await tx.store.reservations.purge(before, _AT_ONCE)


def jobs(settings: Settings) -> tuple[Job, ...]:
    """The jobs, at the pace that is set."""
    return (Job("audit", settings.audit_seconds, _audit), Job("purge-orders", 3_600.0, purge))
