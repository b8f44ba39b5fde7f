"""What the HTTP API reads and answers, field by field."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, StringConstraints, model_validator

from services.returns.domain.choose import Request, Wanted
from services.returns.domain.policy import Reason
from services.returns.domain.receive import Box, Found
from services.returns.domain.returns import Origin, State
from services.returns.handlers.authorize_return import AuthorizeReturn
from shared.contracts.envelope import (
    MAX_ALLOCATIONS,
    Code,
    ExternalId,
    FieldError,
    Id,
    LineId,
    Quantity,
    Text,
)
from shared.contracts.returns import Disposition
from shared.runtime.http import Body

Condition = Literal["new", "opened", "used", "damaged", "defective", "wrong_item"]
"""What units look like; units that are missing are left out instead."""

RejectionReason = Annotated[Text, StringConstraints(min_length=1, strip_whitespace=True)]


class WantedUnits(Body):
    """Units a customer wants to send back."""

    line_id: LineId
    quantity: Quantity
    reason: Reason
    shipment_id: Id | None = Field(
        None, description="the parcel; without it, what was delivered first is meant"
    )


class NewReturn(Body):
    """A request to send units back, of an order named by `order_id` or by `channel` and `external_id`."""

    order_id: Id | None = None
    channel: Code | None = None
    external_id: ExternalId | None = None
    reference: ExternalId | None = Field(
        None, description="your own name for this return: the same one of an order is the same return"
    )
    goodwill: bool = Field(False, description="take the goods although the time to return is over")
    units: Annotated[list[WantedUnits], Field(min_length=1, max_length=MAX_ALLOCATIONS)]

    @model_validator(mode="after")
    def _names_one_order(self) -> Self:
        by_name = self.channel is not None and self.external_id is not None
        if (self.order_id is not None) == by_name:
            raise ValueError("name the order by either order_id, or channel and external_id")
        return self

    def command(self) -> AuthorizeReturn:
        """What is asked for, without its form."""
        units = tuple(
            Wanted(each.line_id, each.quantity, each.reason, each.shipment_id) for each in self.units
        )
        name = (self.channel, self.external_id) if self.channel and self.external_id else None
        return AuthorizeReturn(Request(units, self.reference, self.goodwill), self.order_id, name)


class FoundUnits(Body):
    """Units found in the box and accepted."""

    line_id: LineId
    quantity: Quantity
    condition: Condition
    disposition: Disposition
    shipment_id: Id | None = Field(
        None, description="the parcel they were shipped in, if the return names several"
    )


class OpenedBox(Body):
    """All that came back for one return. What is left out is worth nothing and may be returned again."""

    place_id: Id | None = Field(
        None, description="where the goods are now; without it, the place that shipped them"
    )
    units: Annotated[list[FoundUnits], Field(min_length=1, max_length=MAX_ALLOCATIONS)]

    def command(self, return_id: str) -> Box:
        """What came back, without its form."""
        units = tuple(
            Found(each.line_id, each.quantity, each.condition, each.disposition, each.shipment_id)
            for each in self.units
        )
        return Box(return_id, units, self.place_id)


class NamedBox(OpenedBox):
    """A box in a row of boxes."""

    return_id: Id


class ManyBoxes(Body):
    """Boxes of a delivery, each of another return."""

    boxes: Annotated[list[NamedBox], Field(min_length=1, max_length=500)]


class Reject(Body):
    """Why nothing comes of a return."""

    reason: RejectionReason


class UnitsView(BaseModel):
    """Units that may come back."""

    shipment_id: str
    line_id: str
    sku: str
    quantity: int
    reason: str


class UnitsBackView(BaseModel):
    """Units that came back; `value` is theirs together, in minor units."""

    shipment_id: str
    line_id: str
    sku: str
    quantity: int
    condition: str
    disposition: str
    value: int


class ReceiptView(BaseModel):
    """What came back and what it is worth to the customer, in minor units, without shipping."""

    place_id: str
    units: list[UnitsBackView]
    value: int
    currency: str
    at: datetime
    by: str


class RejectionView(BaseModel):
    """Why nothing came of it."""

    reason: str
    at: datetime
    by: str


class ReturnView(BaseModel):
    """A return."""

    return_id: str
    order_id: str
    origin: Origin
    reference: str | None
    state: State
    units: list[UnitsView]
    authorized_at: datetime
    authorized_by: str
    expires_at: datetime | None = Field(description="given up if nothing came until then")
    received: ReceiptView | None
    rejected: RejectionView | None
    refunded: bool = Field(description="a refund named this return")


class ReturnPage(BaseModel):
    """A page of returns, oldest first; `next` goes into `after` of the next request."""

    items: list[ReturnView]
    next: str | None


class BoxResult(BaseModel):
    """What became of one box: the return as it is now, or why it was refused."""

    return_id: str
    status: int = Field(description="the status the box would have had alone")
    result: ReturnView | None = None
    code: str | None = None
    detail: str | None = None
    errors: list[FieldError] = []


class BoxResults(BaseModel):
    """One result per box, in the order of the request."""

    done: int
    refused: int
    results: list[BoxResult]


class OfferView(BaseModel):
    """Units of one line in one parcel; `why_not` is empty while they may come back without further ado."""

    shipment_id: str
    line_id: str
    sku: str
    shipped: int
    authorized: int = Field(description="awaited by open returns")
    returned: int
    returnable: int
    why_not: Literal[
        "", "not_delivered", "nothing_left", "window_over", "returned_to_sender", "lost", "cancelled"
    ]
    delivered_at: datetime | None
    until: datetime | None
    warranty_until: datetime | None


class Returnable(BaseModel):
    """What may still come back of an order; nothing yet for one whose confirmation has not arrived."""

    order_id: str
    confirmed: bool
    units: list[OfferView]
