"""Composition root: the only file that knows all the others."""

from services.returns.api import create_router
from services.returns.handlers import ROUTES
from services.returns.jobs import JOBS
from services.returns.settings import Settings
from services.returns.store import Store
from services.returns.store.tables import metadata
from shared.runtime.service import Service


def build(settings: Settings) -> Service[Store, Settings]:
    """The service, ready to run."""
    return Service(
        name="returns",
        settings=settings,
        metadata=metadata,
        store=Store,
        routes=ROUTES,
        jobs=JOBS,
        api=create_router,
    )
