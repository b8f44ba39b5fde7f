"""What shops, marketplaces and phone desks say to us."""

from typing import Annotated, ClassVar

from pydantic import Field

from shared.contracts.envelope import (
    MAX_LINES,
    Address,
    ChannelOrderEvent,
    Code,
    Contact,
    Currency,
    Id,
    LineId,
    Money,
    Quantity,
    Record,
    ShortText,
    Sku,
    Text,
    Time,
)


class OrderLine(Record):
    """One line of an order.

    `total` is authoritative: quantity x unit price - discount (+ tax unless the order says that prices
    include it), within half a minor unit per unit, because unit prices are rounded.
    """

    line_id: LineId
    sku: Sku
    title: ShortText | None = None
    quantity: Quantity
    unit_price: Money
    discount: Money = 0
    tax: Money = 0
    total: Money


class PaymentMade(Record):
    """A payment the channel took before it sent the order.

    `authorized` is the whole sum the payer agreed to, `captured` the part of it already collected.
    """

    payment_id: Id
    method: Code = "unknown"
    authorized: Money
    captured: Money = 0


class OrderBody(Record):
    """What a customer ordered: the part of an order that is the same on every road in."""

    contact: Contact = Contact()
    address: Address
    lines: Annotated[tuple[OrderLine, ...], Field(min_length=1, max_length=MAX_LINES)]
    shipping: Money = 0
    total: Money
    currency: Currency
    prices_include_tax: bool = False
    payments: Annotated[tuple[PaymentMade, ...], Field(max_length=20)] = ()
    ordered_at: Time | None = None


class OrderSubmitted(ChannelOrderEvent, OrderBody):
    """An order as its channel sends it; the same channel and external id is the same order."""

    topic: ClassVar[str] = "order.submitted"


class OrderCancelSubmitted(ChannelOrderEvent):
    """A channel wants a whole order cancelled; it may arrive before the order does."""

    topic: ClassVar[str] = "order.cancel_submitted"

    reason: Text = "cancelled by the channel"
    requested_by: ShortText = "channel"
