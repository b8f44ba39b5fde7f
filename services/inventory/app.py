"""Puts the service together; the only file that knows all the others."""

from services.inventory.adapters.gazetteer import CountryStateCity
from services.inventory.api import create_router
from services.inventory.handlers import ROUTES
from services.inventory.jobs import jobs
from services.inventory.ports import Ports
from services.inventory.settings import Settings
from services.inventory.store import Store
from services.inventory.store.tables import metadata
from shared.runtime.service import Service


def build(settings: Settings) -> Service[Store, Settings]:
    """The service, ready to run."""
    return Service(
        name="inventory",
        settings=settings,
        metadata=metadata,
        store=Store,
        routes=ROUTES,
        jobs=jobs(settings),
        api=create_router,
        ports=Ports(gazetteer=CountryStateCity()),
    )
