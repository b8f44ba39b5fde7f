"""What orders says: the promise and the money."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from shared.contracts.channels import OrderBody
from shared.contracts.envelope import (
    MAX_ALLOCATIONS,
    MAX_PLACES,
    ChannelOrderEvent,
    Code,
    Currency,
    ExternalId,
    FieldError,
    Id,
    Money,
    OrderEvent,
    ShortText,
    Text,
)
from shared.contracts.inventory import Allocation, Place


class OrderRefused(ChannelOrderEvent):
    """An order or a cancellation was not accepted; names the message and every faulty field."""

    topic: ClassVar[str] = "order.refused"

    message_id: Text
    refused: Literal["order", "cancellation"]
    errors: tuple[FieldError, ...]


class OrderPlaced(OrderEvent, OrderBody):
    """An order was captured, once. Other systems learn our order id from this."""

    topic: ClassVar[str] = "order.placed"

    channel: Code
    external_id: ExternalId


class ConfirmedPlace(Place):
    """A place that ships a parcel of the order; `shipping` is that parcel's part of the order's shipping."""

    shipment_id: Id
    shipping: Money


class ConfirmedAllocation(Allocation):
    """Units of a line shipped from one place; `value` is their part of the line total (largest remainder)."""

    value: Money


class OrderConfirmed(OrderEvent, OrderBody):
    """Stock is held, funds cover the total, nothing holds the order: ship it.

    A parcel's share = the values of its allocations + its shipping; the shares add up to the total.
    """

    topic: ClassVar[str] = "order.confirmed"

    channel: Code
    external_id: ExternalId
    places: Annotated[tuple[ConfirmedPlace, ...], Field(min_length=1, max_length=MAX_PLACES)]
    allocations: Annotated[tuple[ConfirmedAllocation, ...], Field(min_length=1, max_length=MAX_ALLOCATIONS)]

    @model_validator(mode="after")
    def _every_unit_has_its_parcel(self) -> Self:
        places = {place.place_id for place in self.places}
        parcels = {place.shipment_id for place in self.places}
        if len(places) < len(self.places) or len(parcels) < len(self.places):
            raise ValueError("names a place or a parcel twice: each place has one parcel of its own")
        if places != {units.place_id for units in self.allocations}:
            raise ValueError("has places that are not those of its allocations")
        return self


class OrderCancelRequested(OrderEvent):
    """Orders asks fulfilment, once, to give up a confirmed order as a whole."""

    topic: ClassVar[str] = "order.cancel_requested"

    reason: Text
    requested_by: ShortText


class OrderCancelled(OrderEvent):
    """The order is over and nothing of it ships; whoever holds something for it lets go."""

    topic: ClassVar[str] = "order.cancelled"

    channel: Code
    external_id: ExternalId
    reason: Code
    detail: Text = ""


class OrderCompleted(OrderEvent):
    """Every parcel came to an end and not all were cancelled."""

    topic: ClassVar[str] = "order.completed"

    channel: Code
    external_id: ExternalId


class PaymentRequest(OrderEvent):
    """A request to the payment service about one payment; the same request id is the same request."""

    request_id: Id
    payment_id: Id
    amount: Money
    currency: Currency


class PaymentCaptureRequested(PaymentRequest):
    """Collect this much of an authorised payment."""

    topic: ClassVar[str] = "payment.capture_requested"


class PaymentRefundRequested(PaymentRequest):
    """Pay back this much of a captured payment; names the returns and parcels it newly counts."""

    topic: ClassVar[str] = "payment.refund_requested"

    return_ids: tuple[Id, ...] = ()
    shipment_ids: tuple[Id, ...] = ()
    reason: Text = ""


class PaymentVoidRequested(PaymentRequest):
    """Give up what is authorised and not captured of this payment; `amount` is what is left of it."""

    topic: ClassVar[str] = "payment.void_requested"


class RefundIssued(OrderEvent):
    """Money went back to the payer; names the returns and parcels it newly counted.

    `amount` 0: for the returns it names nothing more goes back. `request_id` is that of payment.refund_requested,
    unless people paid in another way or nothing goes back: then it is a new one.
    """

    topic: ClassVar[str] = "refund.issued"

    request_id: Id
    payment_id: Id
    amount: Money
    currency: Currency
    return_ids: tuple[Id, ...] = ()
    shipment_ids: tuple[Id, ...] = ()
