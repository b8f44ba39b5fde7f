"""Composition root: the only file that knows all the others."""

from services.orders.api import create_router
from services.orders.handlers import ROUTES
from services.orders.jobs import jobs
from services.orders.settings import Settings
from services.orders.store import Store
from services.orders.store.tables import metadata
from shared.runtime.service import Service


def build(settings: Settings) -> Service[Store, Settings]:
    """The service, ready to run."""
    return Service(
        name="orders",
        settings=settings,
        metadata=metadata,
        store=Store,
        routes=ROUTES,
        jobs=jobs(settings),
        api=create_router,
    )
