"""What this service asks of a carrier. The carriers themselves are in `adapters/`."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from services.fulfillment.domain.shipment import Booking, Scan, Shipment
from shared.value_object import value_object

LabelFormat = Literal["pdf", "zpl"]


@value_object
class Consignment:
    """A parcel as a carrier sees it: the goods, from where, to whom. Addresses have the fields of the contract."""

    shipment: Shipment
    sender: Mapping[str, Any]
    recipient: Mapping[str, Any]

    @property
    def weight_g(self) -> int | None:
        """What the packer weighed, else the sum of the catalogue's weights, else unknown; in grams."""
        if self.shipment.weight_g is not None:
            return self.shipment.weight_g
        total = 0
        for line in self.shipment.lines:
            if line.unit_weight_g is None:
                return None
            total += line.unit_weight_g * line.quantity
        return total


class Carrier(Protocol):
    """Who takes parcels away. An implementation that asks over a network bounds the time it takes."""

    async def book(self, consignment: Consignment, serial: int) -> Booking:
        """Announces the parcel. `serial` is a number of ours that no other booking has or had.

        A carrier asked over a network takes the shipment id as its idempotency key: when our transaction
        is rolled back after the call, the same parcel is booked again and must get the same booking.
        """

    async def label(self, consignment: Consignment, booking: Booking, form: LabelFormat) -> bytes:
        """The label to stick on: a PDF page, or ZPL II for a label printer."""

    async def track(self, booking: Booking) -> Sequence[Scan]:
        """What the carrier knows of the parcel; empty for carriers that send their scans unasked."""


@value_object
class Ports:
    """What is neither Kafka nor PostgreSQL, handed in by `app.py`."""

    carrier: Carrier
