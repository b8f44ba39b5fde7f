"""A parcel as the HTTP API shows it."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from services.fulfillment.domain.shipment import Scan, Shipment


class LineView(BaseModel):
    """Units of an order line in the parcel; `not_found` is set by a short pick."""

    line_id: str
    sku: str
    quantity: int
    not_found: int = 0


class ScanView(BaseModel):
    """One event of the carrier, with the carrier's time."""

    scan_id: str
    status: str
    occurred_at: datetime
    location: str
    detail: str

    @classmethod
    def of(cls, scan: Scan) -> Self:
        """The scan as people see it."""
        return cls(
            scan_id=scan.scan_id,
            status=scan.status,
            occurred_at=scan.occurred_at,
            location=scan.location,
            detail=scan.detail,
        )


class ShipmentView(BaseModel):
    """One parcel: what is in it, where it is, and what a person should look at (`attention`)."""

    shipment_id: str
    order_id: str
    place_id: str
    state: str
    lines: list[LineView]
    weight_g: int | None
    carrier: str | None
    tracking_number: str | None
    tracking_url: str | None
    created_at: datetime
    dispatched_at: datetime | None
    ended_at: datetime | None
    end_reason: str | None
    last_scan: ScanView | None
    attention: str | None

    @classmethod
    def of(cls, shipment: Shipment) -> Self:
        """The parcel as people see it."""
        missing = {units.line_id: units.quantity for units in shipment.not_found}
        booking = shipment.booking
        return cls(
            shipment_id=shipment.shipment_id,
            order_id=shipment.order_id,
            place_id=shipment.place_id,
            state=shipment.state,
            lines=[
                LineView(
                    line_id=line.line_id,
                    sku=line.sku,
                    quantity=line.quantity,
                    not_found=missing.get(line.line_id, 0),
                )
                for line in shipment.lines
            ],
            weight_g=shipment.weight_g,
            carrier=booking.carrier if booking else None,
            tracking_number=booking.tracking_number if booking else None,
            tracking_url=booking.tracking_url if booking else None,
            created_at=shipment.created_at,
            dispatched_at=shipment.dispatched_at,
            ended_at=shipment.ended_at,
            end_reason=shipment.end_reason,
            last_scan=ScanView.of(shipment.last_scan) if shipment.last_scan else None,
            attention=shipment.attention,
        )
