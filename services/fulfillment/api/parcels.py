"""Steps of one parcel. Repeating one answers the same; contradicting one is a 409 that says what to do instead."""

from fastapi import APIRouter, Response

from services.fulfillment.api.requests import DispatchBody, EndBody, PackBody, PickBody, ResolveBody
from services.fulfillment.domain.shipment import End
from services.fulfillment.handlers.book import Book, book
from services.fulfillment.handlers.dispatch import dispatch
from services.fulfillment.handlers.pack import pack
from services.fulfillment.handlers.pick import pick
from services.fulfillment.handlers.report_end import ReportEnd, report_end
from services.fulfillment.handlers.resolve import Resolve, resolve
from services.fulfillment.handlers.steps import Steps
from services.fulfillment.handlers.views import ShipmentView
from services.fulfillment.settings import Settings
from services.fulfillment.store import Store
from shared.contracts.envelope import Id
from shared.runtime.http import Context, respond
from shared.runtime.service import Service


def create_router(service: Service[Store, Settings]) -> APIRouter:
    """Routes under /shipments/{shipment_id}."""
    router = APIRouter(prefix="/shipments/{shipment_id}", tags=["parcels"])

    @router.post("/pick", response_model=ShipmentView)
    async def pick_one(shipment_id: Id, context: Context, body: PickBody | None = None) -> Response:
        """The parcel was picked, in full or short."""
        row = (body or PickBody()).pick(shipment_id)
        return respond(await service.command(pick, Steps((row,)), request=context))

    @router.post("/pack", response_model=ShipmentView)
    async def pack_one(shipment_id: Id, context: Context, body: PackBody | None = None) -> Response:
        """The parcel was packed."""
        row = (body or PackBody()).pack(shipment_id)
        return respond(await service.command(pack, Steps((row,)), request=context))

    @router.post("/book", response_model=ShipmentView)
    async def book_one(shipment_id: Id, context: Context) -> Response:
        """Book a carrier for the packed parcel, which gives it a tracking number and a label."""
        return respond(await service.command(book, Steps((Book(shipment_id),)), request=context))

    @router.post("/dispatch", response_model=ShipmentView)
    async def dispatch_one(shipment_id: Id, context: Context, body: DispatchBody | None = None) -> Response:
        """The carrier took the parcel; it is booked on the way if it was not."""
        row = (body or DispatchBody()).dispatch(shipment_id)
        return respond(await service.command(dispatch, Steps((row,)), request=context))

    @router.post("/lost", response_model=ShipmentView)
    async def lost(shipment_id: Id, context: Context, body: EndBody | None = None) -> Response:
        """The dispatched parcel will not arrive."""
        said = body or EndBody()
        row = ReportEnd(shipment_id, End.LOST, said.at, said.reason)
        return respond(await service.command(report_end, Steps((row,)), request=context))

    @router.post("/returned", response_model=ShipmentView)
    async def returned(shipment_id: Id, context: Context, body: EndBody | None = None) -> Response:
        """The dispatched parcel came back without having been delivered."""
        said = body or EndBody()
        row = ReportEnd(shipment_id, End.RETURNED_TO_SENDER, said.at, said.reason)
        return respond(await service.command(report_end, Steps((row,)), request=context))

    @router.post("/resolve", response_model=ShipmentView)
    async def resolve_one(shipment_id: Id, context: Context, body: ResolveBody) -> Response:
        """Somebody looked at what was flagged: take the flag off."""
        row = Resolve(shipment_id, body.why)
        return respond(await service.command(resolve, Steps((row,)), request=context))

    return router
