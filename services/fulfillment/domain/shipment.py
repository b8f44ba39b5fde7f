"""A parcel: what one place ships for one order, as facts that only ever join."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum

from shared.value_object import value_object


class Stage(IntEnum):
    """How far our own hands got with a parcel; a rank that only rises."""

    CREATED = 0
    PICKED = 1
    PACKED = 2
    DISPATCHED = 3


class End(StrEnum):
    """How a parcel ended. The first end stands."""

    DELIVERED = "delivered"
    LOST = "lost"
    RETURNED_TO_SENDER = "returned_to_sender"
    CANCELLED = "cancelled"


@value_object
class Line:
    """Units of one order line in the parcel; the weight is one unit's in grams, where it is known."""

    line_id: str
    sku: str
    quantity: int
    unit_weight_g: int | None = None


@value_object
class Missing:
    """Units of a line that the picker did not find."""

    line_id: str
    sku: str
    quantity: int


@value_object
class Booking:
    """What the carrier answered: who carries the parcel, and under which number."""

    carrier: str
    tracking_number: str
    tracking_url: str


@value_object
class Scan:
    """One event of the carrier; the same scan id of a parcel is the same scan."""

    scan_id: str
    status: str
    occurred_at: datetime
    location: str = ""
    detail: str = ""


# Not frozen: made for every step, and freezing sixteen fields makes that ten times as slow.
@dataclass(slots=True)
class Shipment:
    """A parcel and all its facts.

    `weight_g` is what the packer weighed, in grams. `last_scan` is the newest by the carrier's time, not
    the last that came. `not_found` is set by a short pick alone. `attention` is why a person should look,
    `last_sign_at` from when its silence counts: when it was last heard of, or a person last let it go on.
    """

    shipment_id: str
    order_id: str
    place_id: str
    lines: tuple[Line, ...]
    created_at: datetime
    stage: Stage = Stage.CREATED
    end: End | None = None
    ended_at: datetime | None = None
    end_reason: str | None = None
    not_found: tuple[Missing, ...] = ()
    weight_g: int | None = None
    booking: Booking | None = None
    dispatched_at: datetime | None = None
    last_scan: Scan | None = None
    last_sign_at: datetime | None = None
    attention: str | None = None

    @property
    def state(self) -> str:
        """What people see: the end, else `exception` while the newest scan is one, else the stage."""
        if self.end is not None:
            return self.end.value
        if (
            self.stage is Stage.DISPATCHED
            and self.last_scan is not None
            and self.last_scan.status in EXCEPTIONS
        ):
            return "exception"
        return self.stage.name.lower()

    @property
    def last_heard_at(self) -> datetime | None:
        """When the carrier, or who gave it the parcel, last knew of it."""
        known = (self.dispatched_at, self.last_scan.occurred_at if self.last_scan else None)
        return max((at for at in known if at is not None), default=None)

    @property
    def on_its_way(self) -> bool:
        """Dispatched, and not at its end."""
        return self.stage is Stage.DISPATCHED and self.end is None


EXCEPTIONS = frozenset({"delivery_delayed", "delivery_failed", "damaged", "on_hold"})
"""Scans that say something is wrong with a parcel that has not come to its end."""

STATES = (
    "created", "picked", "packed", "dispatched", "exception", "delivered", "lost", "returned_to_sender", "cancelled",
)  # fmt: skip
"""Everything `Shipment.state` can say."""
