"""What queries answer: an order as people see it. All amounts in minor units of the order's currency."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from shared.contracts.channels import OrderLine
from shared.contracts.envelope import Address, Contact


class Said(BaseModel):
    """Who, why and when."""

    by: str
    why: str
    at: datetime


class Attention(BaseModel):
    """A matter for a person."""

    attention_id: int
    kind: str
    reason: str
    next_action: str
    amount: int = Field(description="minor units that resolving it settles, or settled; 0 if not about money")
    since: datetime
    state: str = Field(description="open, resolved by a person, or passed by itself")
    resolved: Said | None = None


class Operation(BaseModel):
    """Something the payment service was asked for."""

    request_id: str
    operation: str
    payment_id: str
    amount: int
    asked_at: datetime
    state: str = Field(description="open, done, failed, or settled by people in another way")
    return_ids: list[str] = Field(description="returns that this refund newly counts")
    shipment_ids: list[str] = Field(description="parcels that this refund newly counts")
    reason: str
    failure: str | None = None


class PaymentView(BaseModel):
    """One payment; all amounts in minor units of the order's currency."""

    payment_id: str
    method: str
    authorized: int
    captured: int
    refunds: int = Field(description="paid back or being paid back")
    voided: bool
    by_hand: bool = Field(description="collected in another way; only people can pay it back")
    funds: int = Field(description="captured, and authorised and not yet captured")


class Content(BaseModel):
    """Units of one line that a place ships."""

    line_id: str
    sku: str
    quantity: int


class Shipment(BaseModel):
    """A parcel of the order, heard of or only expected."""

    shipment_id: str
    place_id: str
    contents: list[Content]
    share: int = Field(description="its part of the order's total, in minor units")
    state: str
    carrier: str
    tracking_number: str
    tracking_url: str
    seen: dict[str, datetime] = Field(description="kind of news and when it happened")
    exceptions: dict[str, str]


class ReturnView(BaseModel):
    """What came back, or is to."""

    return_id: str
    state: str = Field(description="authorized, received or rejected")
    value: int = Field(description="what it is worth to the customer, in minor units")
    origin: str


class HoldView(BaseModel):
    """A reason to wait."""

    hold_id: str
    placed: Said | None
    released: Said | None


class Waiting(BaseModel):
    """What the order waits for."""

    kind: str
    subject: str
    since: datetime
    until: datetime = Field(
        description="its deadline; stock and payment end the order then, the others call a person"
    )
    overdue: bool


class Happening(BaseModel):
    """A line of the timeline: something heard, done or said. `sequence` is the order's version."""

    sequence: int
    at: datetime
    kind: str
    actor: str = ""
    said: bool = Field(description="whether we said it, or heard it")
    detail: dict[str, Any]
    message_id: str | None = None


class Summary(BaseModel):
    """An order in a list; all amounts in minor units of its currency."""

    order_id: str
    channel: str
    external_id: str
    state: str
    version: int
    placed_at: datetime
    changed_at: datetime
    currency: str
    total: int
    captured: int
    refunds: int
    customer_name: str | None
    customer_email: str | None
    attention: list[Attention] = Field(description="open matters; all of them when one order is shown")


class Page(BaseModel):
    """Some orders, newest first."""

    items: list[Summary]
    next: str | None = Field(description="`after` of the next page; none on the last")


class Whole(Summary):
    """Everything known of one order."""

    contact: Contact
    address: Address
    lines: list[OrderLine]
    shipping: int
    prices_include_tax: bool
    ordered_at: datetime | None
    funds: int = Field(description="captured, and authorised and not yet captured")
    due: int = Field(description="of dispatched parcels and not collected")
    owed: int = Field(description="to be paid back and not yet asked for")
    payments: list[PaymentView]
    requests: list[Operation]
    refunds_made: list[Operation] = Field(description="those of the requests that are refunds")
    shipments: list[Shipment]
    returns: list[ReturnView]
    holds: list[HoldView]
    cancel_wanted: Said | None
    cancel_reason: str | None
    waiting_for: list[Waiting]
    timeline: list[Happening]
