"""What fulfillment says: parcels."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from shared.contracts.envelope import (
    Code,
    Event,
    FieldError,
    Id,
    LineId,
    OrderEvent,
    Quantity,
    Record,
    Sku,
    Text,
    Time,
    printable,
)


class ShipmentLine(Record):
    """Units of one order line in a parcel."""

    line_id: LineId
    sku: Sku
    quantity: Quantity


def _some(lines: tuple[ShipmentLine, ...]) -> tuple[ShipmentLine, ...]:
    # Not a bound in the schema: that would be another contract, and nobody ever said a parcel of nothing.
    if not lines:
        raise ValueError("is empty: name the units that are in the parcel")
    return lines


class ShipmentEvent(OrderEvent):
    """Something happened to one parcel; `shipment_id` = uuid5 of order and place."""

    shipment_id: Id
    place_id: Id
    lines: Annotated[tuple[ShipmentLine, ...], AfterValidator(_some)]


class ShipmentCreated(ShipmentEvent):
    """A place was told to pick and pack this parcel."""

    topic: ClassVar[str] = "shipment.created"


class ShipmentDispatched(ShipmentEvent):
    """The parcel left its place with a carrier."""

    topic: ClassVar[str] = "shipment.dispatched"

    carrier: Code
    tracking_number: Id
    # Taken as it can be kept: to refuse it now would break a contract, and a parcel is not to wait for its link.
    tracking_url: Annotated[str, Field(max_length=500), AfterValidator(printable)]
    dispatched_at: Time


class ShipmentDelivered(ShipmentEvent):
    """The parcel arrived; `delivered_at` is the carrier's time."""

    topic: ClassVar[str] = "shipment.delivered"

    delivered_at: Time


class ShipmentExceptionRaised(ShipmentEvent):
    """Something is wrong with a dispatched parcel that has not come to its end."""

    topic: ClassVar[str] = "shipment.exception_raised"

    reason: Code
    detail: Text = ""
    raised_at: Time


class ShipmentLost(ShipmentEvent):
    """The parcel will not arrive."""

    topic: ClassVar[str] = "shipment.lost"

    lost_at: Time


class ShipmentReturnedToSender(ShipmentEvent):
    """The parcel came back without having been delivered."""

    topic: ClassVar[str] = "shipment.returned_to_sender"

    returned_at: Time


class UnitsNotFound(Record):
    """Units of a line that the picker did not find."""

    line_id: LineId
    sku: Sku
    quantity: Quantity


class CancelledParcel(Record):
    """A parcel that will not ship, with the units that were not found (may be none)."""

    shipment_id: Id
    place_id: Id
    not_found: tuple[UnitsNotFound, ...] = ()


class ShipmentCancelled(OrderEvent):
    """Parcels of an order will not ship.

    Asked for (`requested`): the one answer to order.cancel_requested, all parcels of the order, none if
    the order had not been seen yet. Unasked: the one parcel of a short pick.
    """

    topic: ClassVar[str] = "shipment.cancelled"

    parcels: tuple[CancelledParcel, ...]
    requested: bool
    reason: Text


class ShipmentCancelRefused(OrderEvent):
    """The one answer to order.cancel_requested when something was already picked."""

    topic: ClassVar[str] = "shipment.cancel_refused"

    reason: Text


class ShipmentTrackingRefused(Event):
    """A submitted carrier scan was not taken."""

    topic: ClassVar[str] = "shipment.tracking_refused"

    scan_id: Text
    tracking_number: Text
    errors: tuple[FieldError, ...]

    def key(self) -> str:
        """The tracking number as it was submitted."""
        return self.tracking_number
