"""A return: units that may come back, and what became of them, as facts that only ever join."""

from datetime import datetime
from enum import StrEnum

from shared.value_object import value_object

Spot = tuple[str, str]
"""Where units were shipped: the parcel's id and the order line's id."""


class Origin(StrEnum):
    """Why a return exists."""

    CUSTOMER = "customer"
    RETURNED_TO_SENDER = "returned_to_sender"


class State(StrEnum):
    """What people see of a return; `closed` is received and paid back, or received and worth nothing."""

    AUTHORIZED = "authorized"
    RECEIVED = "received"
    CLOSED = "closed"
    REJECTED = "rejected"


@value_object
class Units:
    """Units of one line of one parcel that may come back, for one reason."""

    shipment_id: str
    line_id: str
    sku: str
    quantity: int
    reason: str

    @property
    def spot(self) -> Spot:
        """Where they were shipped."""
        return self.shipment_id, self.line_id


@value_object
class UnitsBack:
    """Units that came back in one condition and go one way; `value` is what they are worth to the customer."""

    shipment_id: str
    line_id: str
    sku: str
    quantity: int
    condition: str
    disposition: str
    value: int

    @property
    def spot(self) -> Spot:
        """Where they were shipped."""
        return self.shipment_id, self.line_id


@value_object
class Receipt:
    """What came back, all at once, and the place where it now is."""

    place_id: str
    units: tuple[UnitsBack, ...]
    currency: str
    at: datetime
    by: str

    @property
    def value(self) -> int:
        """What it is worth to the customer, in minor units, never shipping."""
        return sum(units.value for units in self.units)


@value_object
class Rejection:
    """Why nothing comes of a return."""

    reason: str
    at: datetime
    by: str


@value_object
class Return:
    """A return and all its facts. It ends as received or as rejected, whichever comes first, never both.

    `reference` is the asker's own name for it. `expires_at` is when it is given up if nothing came; a parcel
    returned to its sender has none, because its goods are here. `refunded`: a refund named this return.
    """

    return_id: str
    order_id: str
    origin: Origin
    units: tuple[Units, ...]
    authorized_at: datetime
    authorized_by: str
    reference: str | None = None
    expires_at: datetime | None = None
    receipt: Receipt | None = None
    rejection: Rejection | None = None
    refunded: bool = False

    @property
    def state(self) -> State:
        """What people see: a pure function of the facts."""
        if self.rejection is not None:
            return State.REJECTED
        if self.receipt is None:
            return State.AUTHORIZED
        return State.CLOSED if self.refunded or self.receipt.value == 0 else State.RECEIVED
