"""What returns says: what comes back and what it is worth."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from shared.contracts.envelope import (
    Code,
    Currency,
    Id,
    LineId,
    Money,
    OrderEvent,
    Quantity,
    Record,
    Sku,
    Text,
)

Disposition = Literal["restock", "quarantine", "scrap"]
Condition = Literal["new", "opened", "used", "damaged", "defective", "wrong_item", "missing"]


class ReturnUnits(Record):
    """Units of one line of one parcel that are to come back."""

    shipment_id: Id
    line_id: LineId
    sku: Sku
    quantity: Quantity
    reason: Code


class ReturnAuthorized(OrderEvent):
    """Units may come back (RMA). A parcel returned to its sender opens one by itself."""

    topic: ClassVar[str] = "return.authorized"

    return_id: Id
    origin: Literal["customer", "returned_to_sender"]
    units: Annotated[tuple[ReturnUnits, ...], Field(min_length=1)]


class ReceivedUnits(Record):
    """Units that came back in one condition with one disposition."""

    shipment_id: Id
    line_id: LineId
    sku: Sku
    quantity: Quantity
    condition: Condition
    disposition: Disposition


class ReturnReceived(OrderEvent):
    """What came back, once per return; `value` is what it is worth to the customer, never shipping.

    `place_id` is where the goods now are.
    """

    topic: ClassVar[str] = "return.received"

    return_id: Id
    place_id: Id
    units: Annotated[tuple[ReceivedUnits, ...], Field(min_length=1)]
    value: Money
    currency: Currency


class ReturnRejected(OrderEvent):
    """The return is over and worth nothing."""

    topic: ClassVar[str] = "return.rejected"

    return_id: Id
    reason: Text
