"""What is answered, field by field, beside the parcel itself (`handlers/views.py`)."""

from datetime import datetime

from pydantic import BaseModel, Field

from services.fulfillment.handlers.views import ScanView, ShipmentView
from shared.contracts.envelope import FieldError


class TimelineEntry(BaseModel):
    """A line of a parcel's timeline: when we learnt it, when it happened (where known), who said it."""

    recorded_at: datetime
    occurred_at: datetime | None
    kind: str
    detail: str
    actor: str
    flagged: bool


class ShipmentDetail(ShipmentView):
    """A parcel with everything that happened to it."""

    timeline: list[TimelineEntry]
    scans: list[ScanView]


class ShipmentPage(BaseModel):
    """A page of parcels, oldest first; `next` goes into `after` of the next request."""

    items: list[ShipmentView]
    next: str | None


class Work(ShipmentPage):
    """What a place has to pick, oldest first, and how much waits at each of its stations."""

    to_pick: int = Field(description="parcels to pick")
    to_pack: int = Field(description="parcels picked and not packed")
    to_dispatch: int = Field(description="parcels packed and not dispatched")


class OrderShipments(BaseModel):
    """The parcels of an order, and the answer to its cancellation if there was one."""

    order_id: str
    confirmed: bool
    cancel_answer: str | None
    cancel_reason: str | None
    shipments: list[ShipmentView]


class BulkRow(BaseModel):
    """What became of one row: the state of its parcel, or why it was refused."""

    shipment_id: str
    status: int = Field(description="the status the row would have had alone")
    state: str | None = None
    tracking_number: str | None = None
    code: str | None = None
    detail: str | None = None
    errors: list[FieldError] | None = None


class BulkAnswer(BaseModel):
    """One result per row, in the order of the request."""

    done: int
    refused: int
    results: list[BulkRow]


class ScanAnswer(BaseModel):
    """A scan that is known now; `new` is false if it was known before."""

    scan_id: str
    shipment_id: str
    state: str
    new: bool


class ScanRow(BaseModel):
    """What became of one scan."""

    scan_id: str
    status: int
    shipment_id: str | None = None
    state: str | None = None
    new: bool | None = None
    code: str | None = None
    detail: str | None = None
    errors: list[FieldError] | None = None


class BulkScanAnswer(BaseModel):
    """One result per scan, in the order of the request."""

    done: int
    refused: int
    results: list[ScanRow]


class TrackingPage(BaseModel):
    """What a customer may see of a parcel: no names, no addresses, no contents."""

    tracking_number: str
    carrier: str
    state: str
    dispatched_at: datetime | None
    ended_at: datetime | None
    scans: list[ScanView]
