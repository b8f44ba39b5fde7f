"""What a person should look at, with the next action.

A matter is put before people once. It closes when a person resolves it or when it is no longer so (the
overdue parcel arrived); both are worked out here, nothing is stored but what was said and resolved.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from services.orders.domain.balance import at_least_zero
from services.orders.domain.deadlines import waits
from services.orders.domain.facts import Flag, Operation, Word
from services.orders.domain.parcels import ENDS, end_of
from services.orders.domain.sayings import Put
from shared.value_object import value_object

if TYPE_CHECKING:
    from services.orders.domain.order import Order

_OVERDUE = {
    "hold": "The order is on hold for too long. Release it (POST /orders/{id}/release) or cancel it.",
    "cancel_answer": "Fulfilment has not answered the cancellation. Ask the warehouse whether the order was picked.",
    "shipment": "The parcel should have left its place. Ask the warehouse; cancel the order if it cannot ship.",
    "delivery": "The parcel should have arrived. Ask the carrier; report it delivered or lost at fulfilment.",
    "payment_answer": "The payment service has not answered. Check there whether the operation was done.",
}
_FAILED: dict[str, str] = {
    "capture": "Ask again (POST /orders/{id}/captures), or collect it in another way and resolve this.",
    "refund": "Ask again (POST /orders/{id}/refunds without amount), or pay in another way and resolve this.",
    "void": "The payer's money stays reserved until the authorisation expires: free it at the payment service.",
}


@value_object
class Need:
    """A matter that needs a person now. `key` is the same for the same matter."""

    key: str
    kind: str
    reason: str
    action: str


@value_object
class Item:
    """A matter that was put before people: `open`, `resolved` by a person, or `passed` by itself."""

    flag: Flag
    state: Literal["open", "resolved", "passed"]
    resolution: Word | None


def needs(order: "Order") -> Iterator[Need]:
    """Everything that needs a person as the facts stand."""
    yield from _overdue(order)
    yield from _money(order)
    for payment_id, account in order.balance.accounts.items():
        for key, operation in account.failed.items():
            yield _failed(order, payment_id, key, operation)
    yield from _parcels(order)
    for key, text in order.facts.contradictions.items():
        action = "Two systems disagree: find out which is right, mend it there, then resolve this."
        yield Need(f"contradiction:{key}", "contradiction", text, action)


def puts(order: "Order") -> list[Put]:
    """What is to be put before a person now and was not before."""
    flagged = order.facts.said.flagged
    new = [need for need in order.needs if need.key not in flagged]
    return [
        Put(need.key, number, need.kind, need.reason, need.action)
        for number, need in enumerate(new, start=len(flagged) + 1)
    ]


def _overdue(order: "Order") -> Iterator[Need]:
    if not order.facts.passed:
        return
    for wait in waits(order):
        if wait.key in order.facts.passed and wait.kind in _OVERDUE:
            what = wait.kind.replace("_", " ") + (f" of {wait.subject}" if wait.subject else "")
            reason = f"{what} overdue, nothing heard since {wait.since:%Y-%m-%d %H:%M} UTC"
            yield Need(wait.matter, "overdue", reason, _OVERDUE[wait.kind])


def _failed(order: "Order", payment_id: str, key: str, operation: Operation) -> Need:
    failure = order.facts.payments[payment_id].failed.get(key)
    why = failure.reason if failure is not None and failure.reason else "less than asked was done"
    amount = order.facts.said.requests[key].amount
    reason = f"{operation} of {amount} of payment {payment_id} failed: {why}"
    return Need(f"{operation}_failed:{key}", f"{operation}_failed", reason, _FAILED[operation])


def _money(order: "Order") -> Iterator[Need]:
    if not order.facts.payments and not order.confirmed:
        return
    money, total, currency = order.balance, order.terms.total, order.terms.currency
    if money.due > 0:
        reason = f"{money.due} {currency} (minor units) of dispatched goods cannot be collected"
        action = "Ask the customer for another payment, or collect it in another way and resolve this."
        yield Need("underpaid", "underpaid", reason, action)
    elif order.confirmed and not order.final and money.funds < total:
        reason = f"only {money.funds} of {total} {currency} (minor units) are still covered"
        action = "Cancel the order before it leaves (POST /orders/{id}/cancel), or ask for another payment."
        yield Need("underpaid", "underpaid", reason, action)
    given = sum(gift.amount for gift in order.facts.gifts.values())
    excess = 0 if order.cancelled else at_least_zero(money.captured - total - given)
    if excess:
        reason = f"{excess} {currency} (minor units) were paid above the total"
        action = "Pay it back (POST /orders/{id}/refunds), or resolve this if the payer agrees."
        yield Need("overpaid", "overpaid", reason, action)


def _parcels(order: "Order") -> Iterator[Need]:
    known = order.reservation.parcels if order.reservation is not None else {}
    for key, parcel in order.facts.parcels.items():
        if key not in known:
            reason = f"parcel {key} of {parcel.place_id} is not one of the order's"
            action = "Ask fulfilment why it made this parcel, mend it there, then resolve this."
            yield Need(f"stray:{key}", "contradiction", reason, action)
        if end_of(parcel) is None:
            for moment, reason in parcel.exceptions.items():
                action = "Ask the carrier; report the parcel delivered, lost or returned at fulfilment."
                yield Need(f"exception:{key}:{moment}", "exception", f"parcel {key}: {reason}", action)
        ends = [end for end in ENDS if end in parcel.seen]
        if len(ends) > 1:
            reason = f"parcel {key} ended as {' and as '.join(ends)}"
            action = "Find out which is true; refund or collect the difference by hand, then resolve this."
            yield Need(f"second_end:{key}", "second_end", reason, action)


def items(order: "Order") -> list[Item]:
    """Everything that was ever put before people, in that order."""
    now = {need.key for need in order.needs}
    resolved = order.facts.resolved
    listed = []
    for key, flag in order.facts.said.flagged.items():
        by_hand = resolved.get(key)
        state: Literal["open", "resolved", "passed"] = "open" if key in now else "passed"
        listed.append(Item(flag, "resolved" if by_hand is not None else state, by_hand))
    return sorted(listed, key=lambda item: item.flag.number)


def needs_person(order: "Order") -> bool:
    """Whether anything is open."""
    return any(need.key not in order.facts.resolved for need in order.needs)


def awaits_decision_on_capture(order: "Order") -> bool:
    """Whether something is due whose capture failed, and a person has not yet said that it is given up."""
    failed = order.balance.failed("capture")
    undecided = any(f"capture_failed:{key}" not in order.facts.resolved for key in failed)
    return undecided and order.balance.due > 0
