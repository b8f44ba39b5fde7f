"""What a decision is: the new facts, what is to be said about them, and what goes on the timeline."""

from datetime import datetime
from enum import Enum, auto

from services.fulfillment.domain.shipment import Scan, Shipment
from shared.value_object import value_object


class Said(Enum):
    """What the world is told about one parcel, each at most once."""

    CREATED = auto()
    DISPATCHED = auto()
    DELIVERED = auto()
    LOST = auto()
    RETURNED_TO_SENDER = auto()
    SHORT_PICKED = auto()


@value_object
class Raised:
    """The world is told of an exception, once per scan that says so."""

    scan: Scan


@value_object
class Note:
    """A line of the parcel's timeline; `occurred_at` is the carrier's or the reporter's time, where there is one."""

    kind: str
    detail: str = ""
    occurred_at: datetime | None = None
    flagged: bool = False


@value_object
class Change:
    """A step that may be taken, or that was taken before (then nothing is said or noted)."""

    shipment: Shipment
    says: tuple[Said | Raised, ...] = ()
    notes: tuple[Note, ...] = ()

    def followed_by(self, later: "Change") -> "Change":
        """Both steps as one; `later` was decided on what this one leaves."""
        return Change(later.shipment, (*self.says, *later.says), (*self.notes, *later.notes))


@value_object
class Conflict:
    """A step that contradicts what is known; `detail` says what to do instead."""

    code: str
    detail: str


@value_object
class Faulty:
    """A request that can never be right; each fault is a field and its problem."""

    faults: tuple[tuple[str, str], ...]


Decision = Change | Conflict | Faulty
