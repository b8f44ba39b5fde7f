"""What warehouse systems say to us."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from shared.contracts.envelope import Event, Id, Sku, Text

Reason = Literal[
    "received", "counted", "found", "damaged", "expired", "stolen", "lost", "released", "correction"
]


class StockAdjustmentSubmitted(Event):
    """Change a quantity by `delta` units; the same adjustment id is the same change.

    `on_hand` counts units that came or went; `unavailable` moves units that stay on the shelf into
    (positive) or out of (negative) quarantine.
    """

    topic: ClassVar[str] = "stock.adjustment_submitted"

    adjustment_id: Id
    sku: Sku
    place_id: Id
    counter: Literal["on_hand", "unavailable"] = "on_hand"
    delta: Annotated[int, Field(ge=-1_000_000_000, le=1_000_000_000, strict=True)]
    reason: Reason
    note: Text = ""

    def key(self) -> str:
        """The SKU."""
        return self.sku
