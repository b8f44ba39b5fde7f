"""What carriers say, and what customers may see of it."""

from fastapi import APIRouter, Response

from services.fulfillment.api.answers import BulkScanAnswer, ScanAnswer, TrackingPage
from services.fulfillment.api.requests import BulkTracking
from services.fulfillment.handlers.record_tracking import RecordTracking, record_tracking
from services.fulfillment.handlers.views import ScanView
from services.fulfillment.settings import Settings
from services.fulfillment.store import Store
from shared.contracts.carriers import ShipmentTrackingSubmitted
from shared.contracts.envelope import Id
from shared.runtime.http import Context, problem, respond
from shared.runtime.limits import intake
from shared.runtime.service import Service


def create_router(service: Service[Store, Settings]) -> APIRouter:
    """Routes under /tracking and /bulk/tracking."""
    router = APIRouter(tags=["tracking"])

    @router.post("/tracking", response_model=ScanAnswer, dependencies=[intake(service.overload)])
    async def scan_one(body: ShipmentTrackingSubmitted, context: Context) -> Response:
        """A carrier scanned a parcel. The same scan id is the same scan; any order will do."""
        return respond(await service.command(record_tracking, RecordTracking((body,)), request=context))

    @router.post(
        "/bulk/tracking",
        response_model=BulkScanAnswer,
        response_model_exclude_none=True,
        dependencies=[intake(service.overload)],
    )
    async def scan_many(body: BulkTracking, context: Context) -> Response:
        """Many scans; a refused one keeps no other from being taken."""
        value = RecordTracking(body.scans, bulk=True)
        return respond(await service.command(record_tracking, value, request=context))

    @router.get("/tracking/{tracking_number}", response_model=list[TrackingPage])
    async def follow(tracking_number: Id) -> list[TrackingPage] | Response:
        """Where a parcel is; one entry per carrier that uses this number."""
        async with service.read() as store:
            parcels = (await store.shipments.numbered([tracking_number])).get(tracking_number, [])
            pages = [
                TrackingPage(
                    tracking_number=tracking_number,
                    carrier=parcel.booking.carrier,
                    state=parcel.state,
                    dispatched_at=parcel.dispatched_at,
                    ended_at=parcel.ended_at,
                    scans=[ScanView.of(scan) for scan in await store.scans.of_shipment(parcel.shipment_id)],
                )
                for parcel in parcels
                if parcel.booking is not None
            ]
        return pages or problem(404, "unknown_number", "No parcel has this tracking number.")

    return router
