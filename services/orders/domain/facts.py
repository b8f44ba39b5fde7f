"""Everything that is known of one order: facts that only ever join.

Messages come in any order, twice or late, so nothing here is ever overwritten: two sets of facts join to
one, whatever came first, and joining again changes nothing. What a fact means is decided elsewhere
(`order.py`, `balance.py`, `saga.py`). All money is in minor units of the order's currency.
"""

from collections.abc import Mapping
from dataclasses import field, fields
from datetime import datetime
from functools import cache
from typing import Any, Literal

from shared.value_object import value_object

UNASKED = "-"
"""Stands for the request id of a payment operation that nobody asked for, such as a sale."""

BY_HAND = "by-hand:"
"""Begins the ids of payments that people recorded."""

Operation = Literal["authorize", "capture", "refund", "void"]


@value_object
class Word:
    """Something a person or another system said about an order: who, why and when."""

    by: str
    why: str
    at: datetime


@value_object
class Resolution(Word):
    """How a matter was closed by a person. `amount` is the money that this settled, in minor units."""

    amount: int = 0


@value_object
class Hold:
    """A reason to wait, and whether it is gone. A hold is on while nobody released it."""

    placed: Word | None = None
    released: Word | None = None


@value_object
class Share:
    """What a place ships of an order, in money: its allocations' values and its part of the shipping."""

    place_id: str
    amount: int


@value_object
class Reservation:
    """Stock held for an order: parcel id -> share. Its places are the parcels of the order, heard of or not."""

    at: datetime
    parcels: Mapping[str, Share]


@value_object
class Failure:
    """A payment operation that did not work."""

    operation: Operation
    amount: int
    final: bool
    reason: str
    at: datetime


@value_object
class Payment:
    """The operations of one payment. What was captured, refunded, voided or failed is kept by request id.

    `by_hand`: people collected it in another way, so the payment service does not know of it.
    """

    method: str = ""
    authorized: int = 0
    captured: Mapping[str, int] = field(default_factory=dict)
    refunded: Mapping[str, int] = field(default_factory=dict)
    voided: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, Failure] = field(default_factory=dict)
    by_hand: bool = False

    def answered(self, request_id: str) -> bool:
        """Whether the payment service answered this request, or never will since it does not hear of it."""
        answers = (self.captured, self.refunded, self.voided, self.failed)
        return self.by_hand or any(request_id in one for one in answers)

    def failure(self, request_id: str) -> str | None:
        """Why this request failed; None while it did not."""
        failed = self.failed.get(request_id)
        return None if failed is None else failed.reason or "no reason was given"


@value_object
class Parcel:
    """What was heard of a parcel: each kind of news with the latest moment it was said to have happened.

    `heard_at` is when we heard the last news, by our own clock, for deadlines: carriers' clocks may be wrong.
    """

    place_id: str = ""
    seen: Mapping[str, datetime] = field(default_factory=dict)
    heard_at: datetime | None = None
    exceptions: Mapping[str, str] = field(default_factory=dict)
    carrier: str = ""
    tracking_number: str = ""
    tracking_url: str = ""


@value_object
class Return:
    """What was heard of a return: `value` is what the goods that came back are worth to the customer."""

    origin: str = ""
    parcels: frozenset[str] = frozenset()
    authorized: datetime | None = None
    received: datetime | None = None
    rejected: datetime | None = None
    value: int = 0


@value_object
class Gift:
    """Money that a person decided to pay back by hand, of one payment or of whichever has it.

    `above` of it comes out of what was paid above the total by then, `kept` of that out of what people had meant to
    keep. Fixed when it is decided: what is paid later is another matter.
    """

    amount: int
    payment_id: str
    word: Word
    above: int = 0
    kept: int = 0


@value_object
class Request:
    """What the payment service was asked for, and which returns and parcels it newly counted."""

    operation: Operation
    payment_id: str
    amount: int
    at: datetime
    returns: tuple[str, ...] = ()
    parcels: tuple[str, ...] = ()
    reason: str = ""
    gift: str = ""


@value_object
class Flag:
    """A matter that was put before a person: what is wrong, what to do about it, and of how much money it is."""

    number: int
    kind: str
    reason: str
    action: str
    at: datetime
    amount: int = 0


@value_object
class Said:
    """What we have said about the order. Written under the order's lock, so each is said once."""

    placed: datetime | None = None
    confirmed: datetime | None = None
    reservation: str | None = None
    cancel_requested: datetime | None = None
    cancelled: datetime | None = None
    reason: str | None = None
    completed: datetime | None = None
    requests: Mapping[str, Request] = field(default_factory=dict)
    issued: Mapping[str, datetime] = field(default_factory=dict)
    covered: Mapping[str, datetime] = field(default_factory=dict)
    flagged: Mapping[str, Flag] = field(default_factory=dict)


_NOTHING = Said()


@value_object
class Facts:
    """One order's facts. Keys are ids of whatever brought the fact, so that bringing it again changes nothing."""

    cancels: Mapping[str, Word] = field(default_factory=dict)
    holds: Mapping[str, Hold] = field(default_factory=dict)
    reservations: Mapping[str, Reservation] = field(default_factory=dict)
    rejected: Mapping[str, str] = field(default_factory=dict)
    payments: Mapping[str, Payment] = field(default_factory=dict)
    parcels: Mapping[str, Parcel] = field(default_factory=dict)
    returns: Mapping[str, Return] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    passed: Mapping[str, datetime] = field(default_factory=dict)
    contradictions: Mapping[str, str] = field(default_factory=dict)
    gifts: Mapping[str, Gift] = field(default_factory=dict)
    forgiven: frozenset[str] = frozenset()
    resolved: Mapping[str, Resolution] = field(default_factory=dict)
    said: Said = _NOTHING


def resolutions(facts: Facts, matter: str) -> list[Resolution]:
    """How often people closed this matter, and how: who settles a part of it is called again for the rest.

    Its key the first time is `matter`, then `matter#1` and so on.
    """
    found: list[Resolution] = []
    while (known := facts.resolved.get(numbered(matter, len(found)))) is not None:
        found.append(known)
    return found


def numbered(matter: str, turn: int) -> str:
    """The key of a matter that was closed `turn` times before."""
    return f"{matter}#{turn}" if turn else matter


def settled(facts: Facts, matter: str) -> int:
    """How much money people settled by closing this matter, in minor units."""
    return sum(one.amount for one in resolutions(facts, matter)) if facts.resolved else 0


def join(a: Facts, b: Facts) -> Facts:
    """Both at once: commutative, associative, idempotent.

    Maps and sets are united, records join field by field, nothing (also an empty text, and no money) joins
    with something to something, and of two plain values the greater one stands.
    """
    joined: Facts = _join(a, b)
    return joined


def _join(a: Any, b: Any) -> Any:
    if a is b or b is _NOTHING or not b:
        return a
    if not a:
        return b
    if isinstance(a, dict):
        joined = dict(a)
        for key, value in b.items():
            joined[key] = _join(joined[key], value) if key in joined else value
        return joined
    if isinstance(a, frozenset):
        return a | b
    names = _names(a.__class__)
    if names:
        # Most fields of most facts are empty on one side: those need no call.
        values = [
            (x if not y or x is y else _join(x, y)) if x else y
            for x, y in [(getattr(a, name), getattr(b, name)) for name in names]
        ]
        return a.__class__(*values)
    return max(a, b)


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(item.name for item in fields(kind)) if hasattr(kind, "__dataclass_fields__") else ()
