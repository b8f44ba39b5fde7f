"""Looking at parcels: lists, one with its history, an order's, a place's work, labels."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from services.fulfillment.api.answers import OrderShipments, ShipmentDetail, ShipmentPage, TimelineEntry, Work
from services.fulfillment.api.paging import decode_position, encode_position
from services.fulfillment.domain.carrier import Carrier, LabelFormat
from services.fulfillment.domain.shipment import Shipment
from services.fulfillment.handlers.views import ScanView, ShipmentView
from services.fulfillment.settings import Settings
from services.fulfillment.store import Store
from services.fulfillment.store.shipments import Filter
from shared.contracts.envelope import Id
from shared.runtime.http import Problem, problem
from shared.runtime.service import Service

After = Annotated[str | None, Query(max_length=200, description="`next` of the page before")]
State = Literal[
    "created", "picked", "packed", "dispatched", "exception", "delivered", "lost", "returned_to_sender", "cancelled",
]  # fmt: skip
_MEDIA = {"pdf": "application/pdf", "zpl": "application/zpl"}


def create_router(service: Service[Store, Settings]) -> APIRouter:
    """Routes that only read."""
    router = APIRouter(tags=["parcels"])

    @router.get("/shipments", response_model=ShipmentPage)
    async def shipments(
        state: State | None = None,
        place: Id | None = None,
        order: Id | None = None,
        attention: Annotated[bool, Query(description="only those a person should look at")] = False,
        limit: Annotated[int, Query(ge=1, le=service.settings.max_page)] = 50,
        after: After = None,
    ) -> Any:
        """Parcels, oldest first."""
        wanted = Filter(state, place, order, attention)
        async with service.read() as store:
            found = await store.shipments.page(wanted, decode_position(after), limit)
        return _page(found, limit)

    @router.get("/work", response_model=Work)
    async def work(
        place: Id, limit: Annotated[int, Query(ge=1, le=service.settings.max_page)] = 50, after: After = None
    ) -> Any:
        """What a place has to pick, oldest first, and how much waits at its stations."""
        async with service.read() as store:
            wanted = Filter(state="created", place_id=place)
            found = await store.shipments.page(wanted, decode_position(after), limit)
            waiting = await store.shipments.open_by_state(place)
        return {
            **_page(found, limit),
            "to_pick": waiting.get("created", 0),
            "to_pack": waiting.get("picked", 0),
            "to_dispatch": waiting.get("packed", 0),
        }

    @router.get("/shipments/{shipment_id}", response_model=ShipmentDetail)
    async def shipment(shipment_id: Id) -> Any:
        """One parcel with its timeline and scans."""
        async with service.read() as store:
            found = await store.shipments.find(shipment_id)
            if found is None:
                return _unknown(shipment_id)
            timeline = await store.timeline.of_shipment(shipment_id)
            scans = await store.scans.of_shipment(shipment_id)
        return ShipmentDetail(
            **ShipmentView.of(found).model_dump(),
            timeline=[TimelineEntry(**entry) for entry in timeline],
            scans=[ScanView.of(scan) for scan in scans],
        )

    @router.get("/orders/{order_id}/shipments", response_model=OrderShipments)
    async def order_shipments(order_id: Id) -> Any:
        """The parcels of an order, and what became of its cancellation."""
        async with service.read() as store:
            order = await store.orders.find(order_id)
            if order is None:
                return problem(404, "unknown_order", f"Order {order_id} is not confirmed, or does not exist.")
            parcels = await store.shipments.of_order(order_id)
        return OrderShipments(
            order_id=order_id,
            confirmed=order.confirmed,
            cancel_answer=order.answer.value if order.answer else None,
            cancel_reason=order.cancel_reason,
            shipments=[ShipmentView.of(parcel) for parcel in parcels],
        )

    @router.get("/shipments/{shipment_id}/label.pdf", response_class=Response, responses=_answers("pdf"))
    async def label_pdf(shipment_id: Id) -> Response:
        """The label as a PDF page of 4 x 6 inches, drawn now."""
        return await _label(service, shipment_id, "pdf")

    @router.get("/shipments/{shipment_id}/label.zpl", response_class=Response, responses=_answers("zpl"))
    async def label_zpl(shipment_id: Id) -> Response:
        """The label as ZPL II for a 4 x 6 inch, 203 dpi printer, drawn now."""
        return await _label(service, shipment_id, "zpl")

    return router


def _answers(form: LabelFormat) -> dict[int | str, dict[str, Any]]:
    gone = {
        "description": "The address was erased",
        "content": {"application/problem+json": {}},
        "model": Problem,
    }
    return {200: {"description": "The label", "content": {_MEDIA[form]: {}}}, 410: gone}


async def _label(service: Service[Store, Settings], shipment_id: str, form: LabelFormat) -> Response:
    async with service.read() as store:
        consignment = (await store.shipments.consignments([shipment_id])).get(shipment_id)
    if consignment is None:
        return _unknown(shipment_id)
    booking = consignment.shipment.booking
    if booking is None:
        detail = f"Parcel {shipment_id} has no carrier yet: pack it, then POST /shipments/{shipment_id}/book."
        return problem(409, "not_booked", detail)
    if not consignment.recipient:
        return problem(
            410, "address_erased", f"The address of parcel {shipment_id} was erased after its time."
        )
    carrier: Carrier = service.ports.carrier
    content = await carrier.label(consignment, booking, form)
    name = f'inline; filename="{booking.tracking_number}.{form}"'
    return Response(content, media_type=_MEDIA[form], headers={"Content-Disposition": name})


def _page(found: list[Shipment], limit: int) -> dict[str, Any]:
    last = found[-1] if len(found) == limit else None
    return {
        "items": [ShipmentView.of(parcel) for parcel in found],
        "next": encode_position(last.created_at, last.shipment_id) if last else None,
    }


def _unknown(shipment_id: str) -> Response:
    return problem(404, "unknown_shipment", f"There is no parcel {shipment_id[:100]}.")
