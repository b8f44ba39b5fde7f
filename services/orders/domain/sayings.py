"""What orders can say: each a value, turned into an event by the handlers."""

from typing import TypeAlias

from services.orders.domain.facts import Operation
from shared.value_object import value_object


@value_object
class Place:
    """The order was captured."""


@value_object
class Cancel:
    """The order is over and nothing of it ships; `reason` is a stable code."""

    reason: str
    detail: str


@value_object
class Confirm:
    """Ship it, from the places of this reservation."""

    reservation_id: str


@value_object
class Recall:
    """Fulfilment is asked to give up the confirmed order."""

    by: str
    why: str


@value_object
class Complete:
    """Every parcel came to an end."""


@value_object
class Ask:
    """The payment service is asked for an operation of one payment; people are, if it was collected `by_hand`."""

    request_id: str
    operation: Operation
    payment_id: str
    amount: int
    returns: tuple[str, ...] = ()
    parcels: tuple[str, ...] = ()
    reason: str = ""
    gift: str = ""
    by_hand: bool = False


@value_object
class Issue:
    """Money went back to the payer."""

    request_id: str
    payment_id: str
    amount: int
    returns: tuple[str, ...]
    parcels: tuple[str, ...]


@value_object
class Cover:
    """Returns for which no money goes back: what is owed for them was paid back before, or never collected."""

    request_id: str
    payment_id: str
    returns: tuple[str, ...]


@value_object
class Put:
    """A matter is put before a person; said to people only, on no topic."""

    key: str
    number: int
    kind: str
    reason: str
    action: str
    amount: int = 0


Saying: TypeAlias = Place | Cancel | Confirm | Recall | Complete | Ask | Issue | Cover | Put
