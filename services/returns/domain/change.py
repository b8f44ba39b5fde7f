"""What a decision is: the order as it is now and what is said about it, or why not."""

from enum import Enum, auto

from services.returns.domain.order import ReturnableOrder
from shared.value_object import value_object


class Said(Enum):
    """What the world is told about a return: the first once, then at most one of the others."""

    AUTHORIZED = auto()
    RECEIVED = auto()
    REJECTED = auto()


@value_object
class Change:
    """A step that is taken, or that was taken before (then nothing is said)."""

    order: ReturnableOrder
    return_id: str
    says: Said | None = None


@value_object
class Fault:
    """A field that stands in the way: what is wrong with it, and what would be right."""

    field: str
    problem: str
    remedy: str = ""


@value_object
class Faulty:
    """A request that can never be right."""

    faults: tuple[Fault, ...]


@value_object
class Conflict:
    """A request that contradicts what is known; `detail` says what to do instead."""

    code: str
    detail: str
    faults: tuple[Fault, ...] = ()


@value_object
class TooEarly:
    """A request that may be right later: ask again after `seconds`."""

    code: str
    detail: str
    seconds: int
    faults: tuple[Fault, ...] = ()


Refusal = Faulty | Conflict | TooEarly
Decision = Change | Refusal
