"""Customers: change their minds at any moment, and send back what they do not like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from deploy.demo.datasets.model import Dice, Habits
from shared.contracts.fulfillment import ShipmentLine

Moment = Literal["before", "at once", "placed", "confirmed", "created", "dispatched"]
"""When a cancellation is sent: before the order itself, right behind it, or after we said so much about the order."""
_MOMENTS: tuple[Moment, ...] = ("before", "at once", "placed", "confirmed", "created", "dispatched")

_REASONS = ("not_wanted", "size_small", "size_large", "not_as_described", "late", "defective")


@dataclass(frozen=True, slots=True)
class SendsBack:
    """Units of one line of a delivered parcel that a customer does not want to keep."""

    line_id: str
    sku: str
    quantity: int
    reason: str


class Customers:
    """Decides what customers do beside ordering."""

    def __init__(self, dice: Dice, habits: Habits) -> None:
        self._dice = dice
        self._habits = habits

    def cancels(self, external_id: str) -> Moment | None:
        """When this order will be cancelled, if it will."""
        if not self._dice.happens("cancels", external_id, self._habits.cancels):
            return None
        return self.moment(external_id)

    def moment(self, external_id: str) -> Moment:
        """When an order that is to be cancelled will be."""
        return _MOMENTS[int(self._dice.roll("moment", external_id) * len(_MOMENTS))]

    def by_topic(self, external_id: str) -> bool:
        """Whether the cancellation takes the topic instead of HTTP."""
        return self._dice.happens("cancel road", external_id, 0.5)

    def sends_back(self, shipment_id: str, lines: Sequence[ShipmentLine]) -> list[SendsBack]:
        """What of a parcel that arrived goes back; of some lines only a part."""
        back = []
        for line in lines:
            name = f"{shipment_id}/{line.line_id}"
            if self._dice.happens("returns", name, self._habits.returns):
                units = 1 + int(self._dice.roll("units back", name) * line.quantity)
                back.append(
                    SendsBack(line.line_id, line.sku, units, self._dice.choice("why", name, _REASONS))
                )
        return back

    def must_send_back(
        self, shipment_id: str, lines: Sequence[ShipmentLine], wanted: Mapping[str, int]
    ) -> list[SendsBack]:
        """What of a parcel goes back when the data set says how many units of each line do."""
        return [
            SendsBack(line.line_id, line.sku, min(line.quantity, wanted[line.line_id]),
                      self._dice.choice("why", f"{shipment_id}/{line.line_id}", _REASONS))
            for line in lines
            if wanted.get(line.line_id)
        ]  # fmt: skip
