"""Composition root: the only file that knows all the others."""

from services.fulfillment.adapters.carriers import LocalCarrier
from services.fulfillment.api import create_router
from services.fulfillment.domain.carrier import Ports
from services.fulfillment.handlers import ROUTES
from services.fulfillment.jobs import JOBS
from services.fulfillment.settings import Settings
from services.fulfillment.store import Store
from services.fulfillment.store.tables import metadata
from shared.runtime.service import Service


def build(settings: Settings) -> Service[Store, Settings]:
    """The service, ready to run."""
    own_page = f"http://{settings.http_host}:{settings.http_port}/tracking/{{tracking_number}}"
    carrier = LocalCarrier(
        gs1_prefix=settings.gs1_prefix,
        tracking_url=settings.tracking_url or own_page,
        font=settings.label_font,
    )
    return Service(
        name="fulfillment",
        settings=settings,
        metadata=metadata,
        store=Store,
        routes=ROUTES,
        jobs=JOBS,
        api=create_router,
        ports=Ports(carrier=carrier),
    )
