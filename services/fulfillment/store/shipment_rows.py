"""Parcels as rows and back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.fulfillment.domain.shipment import Booking, End, Line, Missing, Scan, Shipment, Stage

FACTS = (
    "shipment_id", "order_id", "place_id", "lines", "created_at", "stage", "ended_as", "ended_at", "end_reason",
    "not_found", "weight_g", "carrier", "tracking_number", "tracking_url", "dispatched_at", "last_scan",
    "last_sign_at", "attention",
)  # fmt: skip
"""The columns a parcel is made from; the sender's address is read only for labels."""


def to_row(shipment: Shipment) -> dict[str, Any]:
    """What may change about a parcel, with its key."""
    booking = shipment.booking
    return {
        "shipment_id": shipment.shipment_id,
        "state": shipment.state,
        "stage": int(shipment.stage),
        "ended_as": shipment.end.value if shipment.end else None,
        "ended_at": shipment.ended_at,
        "end_reason": shipment.end_reason,
        "not_found": [_units(units) for units in shipment.not_found],
        "weight_g": shipment.weight_g,
        "carrier": booking.carrier if booking else None,
        "tracking_number": booking.tracking_number if booking else None,
        "tracking_url": booking.tracking_url if booking else None,
        "dispatched_at": shipment.dispatched_at,
        "last_scan": _scan_document(shipment.last_scan) if shipment.last_scan else None,
        "last_sign_at": shipment.last_sign_at,
        "attention": shipment.attention,
    }


def to_new_row(shipment: Shipment, sender: Mapping[str, Any]) -> dict[str, Any]:
    """A whole parcel."""
    lines = [{**_units(line), "unit_weight_g": line.unit_weight_g} for line in shipment.lines]
    return {
        **to_row(shipment),
        "order_id": shipment.order_id,
        "place_id": shipment.place_id,
        "sender": dict(sender),
        "lines": lines,
        "created_at": shipment.created_at,
    }


def from_row(row: Mapping[str, Any]) -> Shipment:
    """The parcel of a row with the columns of `FACTS`."""
    number = row["tracking_number"]
    return Shipment(
        shipment_id=row["shipment_id"],
        order_id=row["order_id"],
        place_id=row["place_id"],
        lines=tuple(Line(**line) for line in row["lines"]),
        created_at=row["created_at"],
        stage=Stage(row["stage"]),
        end=End(row["ended_as"]) if row["ended_as"] else None,
        ended_at=row["ended_at"],
        end_reason=row["end_reason"],
        not_found=tuple(Missing(**units) for units in row["not_found"]),
        weight_g=row["weight_g"],
        booking=Booking(row["carrier"], number, row["tracking_url"]) if number else None,
        dispatched_at=row["dispatched_at"],
        last_scan=_scan(row["last_scan"]) if row["last_scan"] else None,
        last_sign_at=row["last_sign_at"],
        attention=row["attention"],
    )


def _units(units: Line | Missing) -> dict[str, Any]:
    return {"line_id": units.line_id, "sku": units.sku, "quantity": units.quantity}


def _scan_document(scan: Scan) -> dict[str, Any]:
    return {
        "scan_id": scan.scan_id,
        "status": scan.status,
        "occurred_at": scan.occurred_at.isoformat(),
        "location": scan.location,
        "detail": scan.detail,
    }


def _scan(document: Mapping[str, Any]) -> Scan:
    return Scan(**{**document, "occurred_at": datetime.fromisoformat(document["occurred_at"])})
