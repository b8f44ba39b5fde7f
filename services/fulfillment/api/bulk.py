"""The same steps for many parcels at once: one transaction, one result per row."""

from fastapi import APIRouter, Response

from services.fulfillment.api.answers import BulkAnswer
from services.fulfillment.api.requests import BulkBook, BulkDispatch, BulkPack, BulkPick
from services.fulfillment.handlers.book import Book, book
from services.fulfillment.handlers.dispatch import dispatch
from services.fulfillment.handlers.pack import pack
from services.fulfillment.handlers.pick import pick
from services.fulfillment.handlers.steps import Steps
from services.fulfillment.settings import Settings
from services.fulfillment.store import Store
from shared.runtime.http import Context, respond
from shared.runtime.service import Service


def create_router(service: Service[Store, Settings]) -> APIRouter:
    """Routes under /bulk. A refused row keeps no other row from being done."""
    router = APIRouter(prefix="/bulk", tags=["bulk"])

    @router.post("/pick", response_model=BulkAnswer, response_model_exclude_none=True)
    async def pick_many(body: BulkPick, context: Context) -> Response:
        """Parcels were picked."""
        rows = tuple(row.pick(row.shipment_id) for row in body.shipments)
        return respond(await service.command(pick, Steps(rows, bulk=True), request=context))

    @router.post("/pack", response_model=BulkAnswer, response_model_exclude_none=True)
    async def pack_many(body: BulkPack, context: Context) -> Response:
        """Parcels were packed."""
        rows = tuple(row.pack(row.shipment_id) for row in body.shipments)
        return respond(await service.command(pack, Steps(rows, bulk=True), request=context))

    @router.post("/book", response_model=BulkAnswer, response_model_exclude_none=True)
    async def book_many(body: BulkBook, context: Context) -> Response:
        """Book a carrier for packed parcels."""
        rows = tuple(Book(row.shipment_id) for row in body.shipments)
        return respond(await service.command(book, Steps(rows, bulk=True), request=context))

    @router.post("/dispatch", response_model=BulkAnswer, response_model_exclude_none=True)
    async def dispatch_many(body: BulkDispatch, context: Context) -> Response:
        """The carrier took parcels."""
        rows = tuple(row.dispatch(row.shipment_id) for row in body.shipments)
        return respond(await service.command(dispatch, Steps(rows, bulk=True), request=context))

    return router
