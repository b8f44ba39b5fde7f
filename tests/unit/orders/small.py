"""One order of two parcels, told facts one after the other: for small examples of what the rules say."""

from datetime import UTC, datetime

from services.orders.domain.facts import (
    Facts,
    Failure,
    Operation,
    Parcel,
    Payment,
    Reservation,
    Share,
    Word,
    join,
)
from services.orders.domain.order import Order
from services.orders.domain.saga import decide
from services.orders.domain.sayings import Saying
from services.orders.domain.terms import Terms

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
TERMS = Terms("o", "shop", "1", "EUR", 100, NOW)
WORD = Word("ada", "because", NOW)
RESERVED = Facts(reservations={"r": Reservation(NOW, {"a": Share("A", 60), "b": Share("B", 40)})})
FUNDED = Facts(payments={"p": Payment(authorized=100)})


def told(*facts: Facts, order: Order | None = None) -> tuple[Order, tuple[Saying, ...]]:
    """The order after these facts, one after the other, and what the last one made it say."""
    order = order or Order(TERMS, Facts())
    said: tuple[Saying, ...] = ()
    for one in facts:
        order, said = decide(Order(TERMS, join(order.facts, one)), NOW)
    return order, said


def parcel(key: str, *seen: str) -> Facts:
    """News of a parcel."""
    return Facts(parcels={key: Parcel(seen=dict.fromkeys(seen, NOW))})


CONFIRMED = told(Facts(), RESERVED, FUNDED)[0]


def captured(key: str, amount: int, payment_id: str = "p") -> Facts:
    """The payment service collected this, asked for under this request id."""
    return Facts(payments={payment_id: Payment(captured={key: amount})})


def refunded(key: str, amount: int, payment_id: str = "p") -> Facts:
    """The payment service paid this back."""
    return Facts(payments={payment_id: Payment(refunded={key: amount})})


def failed(key: str, operation: Operation, amount: int, payment_id: str = "p") -> Facts:
    """The payment service could not do what was asked."""
    return Facts(payments={payment_id: Payment(failed={key: Failure(operation, amount, True, "no", NOW)})})
