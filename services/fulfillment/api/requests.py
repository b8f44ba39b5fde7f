"""What may be asked for, field by field. Fields nobody knows are refused, so that a typo is not ignored."""

from typing import Annotated

from pydantic import Field, field_validator

from services.fulfillment.handlers.dispatch import Dispatch
from services.fulfillment.handlers.pack import Pack
from services.fulfillment.handlers.pick import Pick
from shared.contracts.carriers import ShipmentTrackingSubmitted
from shared.contracts.envelope import MAX_ALLOCATIONS, Count, Id, LineId, Text, Time
from shared.runtime.http import Body

MOST_ROWS = 500
"""Rows a bulk request may have."""

Weight = Annotated[int, Field(ge=1, le=10_000_000, strict=True, description="gross weight in grams")]
When = Annotated[Time | None, Field(description="when it happened, with its UTC offset; now if left out")]


class PickedLine(Body):
    """How many units of a line were found."""

    line_id: LineId
    picked: Count


class PickBody(Body):
    """What was found. Without `lines` everything was; with them every line of the parcel must be named.

    Less than asked for is a short pick: the parcel is cancelled and what was found goes back on the shelf.
    """

    lines: Annotated[tuple[PickedLine, ...], Field(min_length=1, max_length=MAX_ALLOCATIONS)] | None = None

    @field_validator("lines")
    @classmethod
    def _each_once(cls, lines: tuple[PickedLine, ...] | None) -> tuple[PickedLine, ...] | None:
        if lines is not None and len({line.line_id for line in lines}) < len(lines):
            raise ValueError("names a line twice: say for each line once how many units were found")
        return lines

    def pick(self, shipment_id: str) -> Pick:
        """The command for a parcel."""
        found = {line.line_id: line.picked for line in self.lines} if self.lines is not None else None
        return Pick(shipment_id, found)


class PackBody(Body):
    """A closed parcel."""

    weight_g: Weight | None = None

    def pack(self, shipment_id: str) -> Pack:
        """The command for a parcel."""
        return Pack(shipment_id, self.weight_g)


class DispatchBody(Body):
    """A parcel that left."""

    at: When = None

    def dispatch(self, shipment_id: str) -> Dispatch:
        """The command for a parcel."""
        return Dispatch(shipment_id, self.at)


class EndBody(Body):
    """How a parcel ended, as far as our own people know."""

    at: When = None
    reason: Text = ""


class ResolveBody(Body):
    """What came out of looking at a flagged parcel."""

    why: Annotated[Text, Field(min_length=1)]


class PickRow(PickBody):
    """One parcel of a bulk pick."""

    shipment_id: Id


class PackRow(PackBody):
    """One parcel of a bulk pack."""

    shipment_id: Id


class DispatchRow(DispatchBody):
    """One parcel of a bulk dispatch."""

    shipment_id: Id


class BookRow(Body):
    """One parcel of a bulk booking."""

    shipment_id: Id


class BulkPick(Body):
    """Parcels that were picked."""

    shipments: Annotated[tuple[PickRow, ...], Field(min_length=1, max_length=MOST_ROWS)]


class BulkPack(Body):
    """Parcels that were packed."""

    shipments: Annotated[tuple[PackRow, ...], Field(min_length=1, max_length=MOST_ROWS)]


class BulkBook(Body):
    """Parcels that need labels."""

    shipments: Annotated[tuple[BookRow, ...], Field(min_length=1, max_length=MOST_ROWS)]


class BulkDispatch(Body):
    """Parcels that left."""

    shipments: Annotated[tuple[DispatchRow, ...], Field(min_length=1, max_length=MOST_ROWS)]


class BulkTracking(Body):
    """Scans of carriers, in the order in which they were made."""

    scans: Annotated[tuple[ShipmentTrackingSubmitted, ...], Field(min_length=1, max_length=MOST_ROWS)]
