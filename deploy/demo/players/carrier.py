"""The carrier: scans a parcel on its way, in a hurry, and tells scans twice, late and out of order like real ones."""

from datetime import timedelta

from deploy.demo.datasets.model import Dice, Habits
from deploy.demo.players import Saying
from shared.contracts.carriers import ScanStatus, ShipmentTrackingSubmitted
from shared.contracts.fulfillment import ShipmentDispatched

_HUBS = ("Hub North", "Hub South", "Hub East", "Hub West")
_STEP = 0.15
"""Seconds between two scans: a day of a real parcel."""


class Carrier:
    """Decides the journey of a parcel when it is dispatched."""

    def __init__(self, dice: Dice, habits: Habits) -> None:
        self._dice = dice
        self._habits = habits

    def journey(self, parcel: ShipmentDispatched) -> list[Saying]:
        """All scans of the parcel with the moments at which they are told; the same for the same parcel."""
        statuses = self._statuses(parcel.shipment_id)
        sayings = []
        for number, status in enumerate(statuses, 1):
            scan_id = f"{parcel.tracking_number}-{number}"
            scan = ShipmentTrackingSubmitted(
                scan_id=scan_id,
                tracking_number=parcel.tracking_number,
                carrier=parcel.carrier,
                status=status,
                occurred_at=parcel.dispatched_at + timedelta(milliseconds=number * 10),
                location=self._dice.choice("hub", scan_id, _HUBS),
            )
            late = self._dice.happens("late", scan_id, self._habits.late_scans)
            copies = 2 if self._dice.happens("repeated", scan_id, self._habits.repeated_scans) else 1
            sayings.append(Saying(scan, scan_id, _STEP * (number + 1.5 * late), copies))
        return sayings

    def _statuses(self, shipment_id: str) -> list[ScanStatus]:
        fate = self._dice.roll("fate", shipment_id)
        habits = self._habits
        journey: list[ScanStatus] = ["picked_up", "in_transit"]
        if fate < habits.lost:
            return [*journey, "lost"]
        if fate < habits.lost + habits.sent_back:
            return [*journey, "out_for_delivery", "delivery_failed", "returned_to_sender"]
        if fate < habits.lost + habits.sent_back + habits.troubles:
            troubles: tuple[ScanStatus, ...] = ("delivery_delayed", "delivery_failed", "damaged", "on_hold")
            journey.append(troubles[int(self._dice.roll("trouble", shipment_id) * len(troubles))])
        return [*journey, "out_for_delivery", "delivered"]
