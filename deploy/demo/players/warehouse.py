"""The warehouse: picks what is on the work list, sometimes not finding it, counts shelves, takes goods back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from deploy.demo.datasets.model import Dice, Habits
from shared.contracts.fulfillment import ShipmentCancelled, ShipmentLine
from shared.contracts.returns import Condition, Disposition, ReceivedUnits, ReturnUnits
from shared.contracts.warehouses import Reason, StockAdjustmentSubmitted


@dataclass(frozen=True, slots=True)
class Received:
    """What came back of a return."""

    units: tuple[ReceivedUnits, ...]


# How goods come back, out of a hundred units, and what is done with them. Chosen, so that each occurs.
_CONDITIONS: tuple[tuple[float, Condition, Disposition], ...] = (
    (0.60, "new", "restock"), (0.80, "opened", "restock"), (0.88, "used", "quarantine"),
    (0.95, "damaged", "scrap"), (0.98, "defective", "quarantine"), (1.00, "wrong_item", "quarantine"),
)  # fmt: skip


class Warehouse:
    """Decides what hands find and do, the same for the same parcel whoever asks again."""

    def __init__(self, dice: Dice, habits: Habits) -> None:
        self._dice = dice
        self._habits = habits

    def pick(self, shipment_id: str, lines: Sequence[ShipmentLine]) -> dict[str, int]:
        """Units found of each line: all of them, but for one line of a few parcels."""
        found = {line.line_id: line.quantity for line in lines}
        if self._dice.happens("short pick", shipment_id, self._habits.short_picks):
            line = lines[int(self._dice.roll("short line", shipment_id) * len(lines))]
            found[line.line_id] = int(self._dice.roll("found", shipment_id) * line.quantity)
        return found

    def count(
        self, shipment_id: str, place_id: str, lines: Sequence[ShipmentLine]
    ) -> StockAdjustmentSubmitted | None:
        """Now and then the picker counts the shelf and finds a unit more; the books follow the shelf."""
        if not self._dice.happens("count", shipment_id, self._habits.counts):
            return None
        return _adjustment(f"count-{shipment_id}", lines[0].sku, place_id, "on_hand", 1, "counted")

    def recount(self, cancelled: ShipmentCancelled) -> list[StockAdjustmentSubmitted]:
        """After a short pick somebody looks again: half of the units turn up, the others are written off.

        Inventory holds units not found as unavailable, so found ones are released and the others leave both counters.
        """
        adjustments = []
        for parcel in cancelled.parcels:
            for units in parcel.not_found:
                name = f"recount-{parcel.shipment_id}-{units.line_id}"
                # Of one pair only the first may be applied before the second, so the release comes first.
                adjustments.append(
                    _adjustment(name, units.sku, parcel.place_id, "unavailable", -units.quantity, "released")
                )
                if self._dice.happens("gone", name, 0.5):
                    gone = f"{name}-gone"
                    adjustments.append(
                        _adjustment(gone, units.sku, parcel.place_id, "on_hand", -units.quantity, "lost")
                    )
        return adjustments

    def receive(self, return_id: str, units: Sequence[ReturnUnits]) -> Received | None:
        """What lies in the parcel that came back; None for the few that turn out to be somebody else's."""
        if self._dice.happens("rejects", return_id, 0.02):
            return None
        return Received(tuple(self._inspect(return_id, line) for line in units))

    def _inspect(self, return_id: str, units: ReturnUnits) -> ReceivedUnits:
        roll = self._dice.roll("condition", f"{return_id}/{units.shipment_id}/{units.line_id}")
        condition, disposition = next((c, d) for limit, c, d in _CONDITIONS if roll < limit)
        return ReceivedUnits(
            shipment_id=units.shipment_id, line_id=units.line_id, sku=units.sku, quantity=units.quantity,
            condition=condition, disposition=disposition,
        )  # fmt: skip


def _adjustment(
    name: str, sku: str, place_id: str, counter: Literal["on_hand", "unavailable"], delta: int, reason: Reason
) -> StockAdjustmentSubmitted:
    return StockAdjustmentSubmitted(
        adjustment_id=name[:64], sku=sku, place_id=place_id, counter=counter, delta=delta, reason=reason
    )
