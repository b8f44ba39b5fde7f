"""Timed work: parcels nobody hears of, addresses and orders nobody needs any more."""

from dataclasses import asdict
from datetime import timedelta

from services.fulfillment.domain.carrier import Carrier
from services.fulfillment.domain.shipment import Shipment
from services.fulfillment.domain.tracking import SECOND_END, SILENT
from services.fulfillment.handlers.flag_silent import FlagSilent, flag_silent
from services.fulfillment.handlers.record_tracking import RecordTracking, record_tracking
from services.fulfillment.handlers.steps import Steps
from services.fulfillment.settings import Settings
from services.fulfillment.store import Store
from shared.contracts.carriers import ShipmentTrackingSubmitted
from shared.runtime.service import Job, Service

_AT_ONCE = 200


async def find_silent(service: Service[Store, Settings]) -> int:
    """Asks the carrier about parcels without a sign for `silent_days`, then flags those it knows nothing new of."""
    async with service.transaction() as tx:
        before = tx.now - timedelta(days=service.settings.silent_days)
        silent = await tx.store.shipments.silent_since(before, _AT_ONCE)
        flagged = await tx.store.shipments.flagged()
    gauge = service.metrics.gauge(
        "parcels_flagged", "Parcels a person should look at, by why", ("attention",)
    )
    for why in (SILENT, SECOND_END):
        gauge.labels(why).set(flagged.get(why, 0))
    if not silent:
        return 0
    scans = [scan for parcel in silent for scan in await _ask(service.ports.carrier, parcel)]
    if scans:
        await service.command(record_tracking, RecordTracking(tuple(scans), bulk=True), actor="job:silence")
    rows = tuple(FlagSilent(parcel.shipment_id) for parcel in silent)
    await service.command(flag_silent, Steps(rows, bulk=True), actor="job:silence")
    return len(silent)


async def _ask(carrier: Carrier, parcel: Shipment) -> list[ShipmentTrackingSubmitted]:
    if parcel.booking is None:
        return []
    booking = {"tracking_number": parcel.booking.tracking_number, "carrier": parcel.booking.carrier}
    known = await carrier.track(parcel.booking)
    return [ShipmentTrackingSubmitted.model_validate({**asdict(scan), **booking}) for scan in known]


async def erase_addresses(service: Service[Store, Settings]) -> int:
    """Erases the addresses of orders that ended long ago; their parcels stay."""
    async with service.transaction() as tx:
        before = tx.now - timedelta(days=service.settings.keep_addresses_days)
        return await tx.store.orders.erase_recipients(before, _AT_ONCE)


async def purge(service: Service[Store, Settings]) -> int:
    """Deletes orders of long ago whose parcels all ended, with their parcels, scans and timelines."""
    async with service.transaction() as tx:
        before = tx.now - timedelta(days=service.settings.keep_orders_days)
        return await tx.store.orders.purge(before, _AT_ONCE)


JOBS = (
    Job("find-silent", 60.0, find_silent),
    Job("erase-addresses", 3_600.0, erase_addresses),
    Job("purge-orders", 3_600.0, purge),
)
