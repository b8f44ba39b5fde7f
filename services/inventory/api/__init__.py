"""The HTTP API: the catalogue, adjustments, and questions about quantities."""

from fastapi import APIRouter

from services.inventory.api import adjustments, catalogue, quantities
from services.inventory.settings import Settings
from services.inventory.store import Store
from shared.runtime.service import Service


def create_router(service: Service[Store, Settings]) -> APIRouter:
    """All routes of inventory."""
    router = APIRouter()
    catalogue.add_routes(router, service)
    adjustments.add_routes(router, service)
    quantities.add_routes(router, service)
    return router
