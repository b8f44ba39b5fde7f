"""What carriers say to us."""

from typing import ClassVar, Literal

from shared.contracts.envelope import Code, Event, Id, Text, Time

ScanStatus = Literal[
    "picked_up",
    "in_transit",
    "out_for_delivery",
    "ready_for_pickup",
    "delivered",
    "delivery_delayed",
    "delivery_failed",
    "damaged",
    "on_hold",
    "lost",
    "returned_to_sender",
]


class ShipmentTrackingSubmitted(Event):
    """A carrier scanned a parcel; the same scan id is the same scan; may come late, twice, out of order."""

    topic: ClassVar[str] = "shipment.tracking_submitted"

    scan_id: Id
    tracking_number: Id
    carrier: Code
    status: ScanStatus
    occurred_at: Time
    location: Text = ""
    detail: Text = ""

    def key(self) -> str:
        """The tracking number."""
        return self.tracking_number
