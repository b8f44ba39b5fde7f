"""What an order waits for, and until when."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from services.orders.domain.facts import Facts, numbered, resolutions
from services.orders.domain.parcels import dispatched, end_of
from shared.value_object import value_object

if TYPE_CHECKING:
    from services.orders.domain.order import Order

Kind = Literal["stock", "payment", "hold", "cancel_answer", "shipment", "delivery", "payment_answer"]


@value_object
class Windows:
    """How long an order may wait for each thing. Stock and payment end it, the others call a person."""

    stock: timedelta
    payment: timedelta
    hold: timedelta
    cancel_answer: timedelta
    shipment: timedelta
    delivery: timedelta
    payment_answer: timedelta


@value_object
class Wait:
    """An order waits for something since a moment; `key` names it within the order.

    `turn` counts how often a person was called for it and let it go on.
    """

    kind: Kind
    subject: str
    since: datetime
    turn: int = 0

    @property
    def key(self) -> str:
        """`kind` or `kind:subject`, and the turn if it is not the first."""
        return numbered(f"{self.kind}:{self.subject}" if self.subject else self.kind, self.turn)

    @property
    def matter(self) -> str:
        """The key under which it is put before people once it is overdue."""
        return f"overdue:{self.key}"


def kind_of(key: str) -> str:
    """The kind of the wait that has this key."""
    return key.partition(":")[0]


def waits(order: "Order") -> Iterator[Wait]:
    """Everything the order waits for now."""
    found = _waits(order)
    return (_again(wait, order.facts) for wait in found) if order.facts.resolved else found


def _again(wait: Wait, facts: Facts) -> Wait:
    """Who looked and let it wait is called again after as long: no order waits for ever unseen."""
    looked = resolutions(facts, wait.matter)
    return replace(wait, since=max([wait.since, *(one.at for one in looked)]), turn=len(looked))


def _waits(order: "Order") -> Iterator[Wait]:
    said, reservation = order.facts.said, order.reservation
    if not order.confirmed and not order.final:
        if reservation is None:
            yield Wait("stock", "", order.terms.placed_at)
        elif order.balance.funds < order.terms.total:
            yield Wait("payment", "", reservation.at)
        for key, hold in order.facts.holds.items():
            if hold.placed is not None and hold.released is None:
                yield Wait("hold", key, hold.placed.at)
    elif not order.final:
        if order.cancelling and said.cancel_requested is not None:
            yield Wait("cancel_answer", "", said.cancel_requested)
        yield from _parcels(order)
    yield from _answers(order.facts)


def _parcels(order: "Order") -> Iterator[Wait]:
    confirmed = order.facts.said.confirmed
    for key, _, parcel in order.parcels:
        if end_of(parcel) is None and dispatched(parcel):
            yield Wait("delivery", key, parcel.heard_at or min(parcel.seen.values()))
        elif end_of(parcel) is None and confirmed is not None:
            yield Wait("shipment", key, confirmed)


def _answers(facts: Facts) -> Iterator[Wait]:
    for key, request in facts.said.requests.items():
        if not facts.payments[request.payment_id].answered(key):
            yield Wait("payment_answer", key, request.at)


def until(wait: Wait, windows: Windows) -> datetime:
    """The wait's deadline."""
    window: timedelta = getattr(windows, wait.kind)
    return wait.since + window


def next_deadline(order: "Order", windows: Windows) -> datetime | None:
    """When to look at the order again, if nothing is heard of it; None when it waits for nothing."""
    return min((until(wait, windows) for wait in waits(order) if not _is_passed(order, wait)), default=None)


def passed(order: "Order", windows: Windows, moment: datetime) -> tuple[str, ...]:
    """The keys of deadlines that lie before `moment` and that nobody noted yet.

    `moment` is the one up to which everything sent to us was handled, not the time of the clock: an
    answer that waits unread has come in time.
    """
    return tuple(
        wait.key for wait in waits(order) if not _is_passed(order, wait) and until(wait, windows) <= moment
    )


def _is_passed(order: "Order", wait: Wait) -> bool:
    return wait.key in order.facts.passed
