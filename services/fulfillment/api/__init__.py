"""The HTTP API: what people and other systems ask for, and what they may look at."""

from fastapi import APIRouter

from services.fulfillment.api import bulk, parcels, queries, tracking
from services.fulfillment.settings import Settings
from services.fulfillment.store import Store
from shared.runtime.service import Service


def create_router(service: Service[Store, Settings]) -> APIRouter:
    """All routes of this service."""
    router = APIRouter()
    for part in (queries, parcels, bulk, tracking):
        router.include_router(part.create_router(service))
    return router
