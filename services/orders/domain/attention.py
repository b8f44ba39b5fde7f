"""What a person should look at, with the next action.

A matter is put before people once. It closes when a person resolves it or when it is no longer so (the
overdue parcel arrived); both are worked out here, nothing is stored but what was said and resolved. Resolving a
matter of money settles as much as it was about and no more: should there be more, it comes up again in another turn.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from services.orders.domain.balance import at_least_zero
from services.orders.domain.deadlines import waits
from services.orders.domain.facts import Facts, Flag, Resolution, numbered, resolutions, settled
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
_COLLECT = (
    "record what you collected in another way (POST /orders/{id}/payments), or resolve this to give it up."
)
_FAILED: dict[str, str] = {
    "capture": f"Ask again (POST /orders/{{id}}/captures), {_COLLECT}",
    "refund": "Ask again (POST /orders/{id}/refunds without amount), or pay in another way and resolve this.",
    "void": "The payer's money stays reserved until the authorisation expires: free it at the payment service.",
}


@value_object
class Need:
    """A matter that needs a person now. `key` is the same for the same matter.

    `amount`: the money that resolving it settles, in minor units; 0 for what is not about money.
    """

    key: str
    kind: str
    reason: str
    action: str
    amount: int = 0


@value_object
class Item:
    """A matter that was put before people: `open`, `resolved` by a person, or `passed` by itself.

    `amount` is what resolving it settles now: what people were told of, or less if less of it is left; then
    `reason` tells of that.
    """

    key: str
    flag: Flag
    state: Literal["open", "resolved", "passed"]
    resolution: Resolution | None
    reason: str
    amount: int


def needs(order: "Order") -> Iterator[Need]:
    """Everything that needs a person as the facts stand."""
    yield from _overdue(order)
    yield from _money(order)
    yield from _by_hand(order.facts)
    yield from _paid_twice(order)
    yield from _parcels(order)
    for key, text in order.facts.contradictions.items():
        action = "Two systems disagree: find out which is right, mend it there, then resolve this."
        yield Need(f"contradiction:{key}", "contradiction", text, action)


def puts(order: "Order") -> list[Put]:
    """What is to be put before a person now and was not before."""
    flagged = order.facts.said.flagged
    new = [need for need in order.needs if need.key not in flagged]
    return [
        Put(need.key, number, need.kind, need.reason, need.action, need.amount)
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


def _failed(order: "Order") -> Iterator[Need]:
    """What failed, as far as it was not moved in another way since and is still wanted: one matter for one sum."""
    money = order.balance
    wanted = {"capture": money.due, "refund": at_least_zero(money.owed) + money.gifts_left}
    for payment_id, account in money.accounts.items():
        for key, failed in account.failed.items():
            operation, matter = failed.operation, f"{failed.operation}_failed:{key}"
            why = order.facts.payments[payment_id].failure(key) or "less than asked was done"
            if operation == "void":
                reason = f"void of {failed.amount} of payment {payment_id} failed: {why}"
                yield Need(matter, "void_failed", reason, _FAILED[operation])
                continue
            settled_before = settled(order.facts, matter) if operation == "capture" else 0
            amount = min(failed.amount - settled_before, wanted[operation])
            if amount > 0:
                wanted[operation] -= amount
                reason = f"{operation} of {amount} of payment {payment_id} failed: {why}"
                yield _rest(order, matter, f"{operation}_failed", reason, _FAILED[operation], amount)


def _rest(order: "Order", matter: str, kind: str, reason: str, action: str, amount: int) -> Need:
    """What is still open of a matter of money, each of whose resolutions settled a part."""
    return Need(numbered(matter, len(resolutions(order.facts, matter))), kind, reason, action, amount)


def _by_hand(facts: Facts) -> Iterator[Need]:
    """Money that people collected is paid back by people; whether they did is for them to say."""
    for key, request in facts.said.requests.items():
        payment = facts.payments[request.payment_id]
        if payment.by_hand and request.operation == "refund":
            reason = f"{request.amount} of payment {request.payment_id} are to be paid back by hand ({payment.method})"
            action = "Pay it back as it came, then resolve this: it is told as paid back then."
            yield Need(f"refund_by_hand:{key}", "refund_by_hand", reason, action, request.amount)


def _paid_twice(order: "Order") -> Iterator[Need]:
    """Refunds that worked after they were said to have failed, when the money had gone back in another way."""
    too_much = -order.balance.owed
    if too_much <= 0:
        return
    for key, request in order.facts.said.requests.items():
        payment = order.facts.payments[request.payment_id]
        amount = min(too_much, payment.refunded.get(key, 0))
        if request.operation == "refund" and amount > 0 and payment.failure(key) is not None:
            too_much -= amount
            reason = f"{key} was said to have failed and was paid back after all: {amount} went back twice"
            action = "Ask the payer for it, then resolve this: it counts as returned by the payer."
            yield _rest(order, f"paid_twice:{key}", "paid_twice", reason, action, amount)


def _money(order: "Order") -> Iterator[Need]:
    if not order.facts.payments and not order.confirmed:
        return
    facts, money, total = order.facts, order.balance, order.terms.total
    unit = f"{order.terms.currency} (minor units)"
    failed = list(_failed(order))
    yield from failed
    uncollected = money.due - sum(need.amount for need in failed if need.kind == "capture_failed")
    uncovered = total - money.given_up - money.funds - settled(facts, "uncovered")
    if uncollected > 0:
        reason = f"{uncollected} {unit} of dispatched goods cannot be collected"
        again = "ask again for what failed (POST /orders/{id}/captures), " if money.failed("capture") else ""
        action = f"Ask the customer for another payment, {again}{_COLLECT}"
        yield _rest(order, "underpaid", "underpaid", reason, action, uncollected)
    elif order.confirmed and not order.final and uncovered > 0:
        reason = f"only {money.funds} of {total} {unit} are still covered"
        action = "Cancel the order before it leaves (POST /orders/{id}/cancel), or ask for another payment."
        yield _rest(order, "uncovered", "uncovered", reason, action, uncovered)
    meant_to_keep = settled(facts, "overpaid") - sum(gift.kept for gift in facts.gifts.values())
    if money.surplus > meant_to_keep:
        before = f", counting {money.given_up} that were given up before" if money.given_up else ""
        reason = f"{money.surplus - meant_to_keep} {unit} were paid above the total{before}"
        action = "Pay it back (POST /orders/{id}/refunds), or resolve this if the payer agrees."
        yield _rest(order, "overpaid", "overpaid", reason, action, money.surplus - meant_to_keep)


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
    now = {need.key: need for need in order.needs}
    listed = [
        _item(key, flag, now.get(key), order.facts.resolved.get(key))
        for key, flag in order.facts.said.flagged.items()
    ]
    return sorted(listed, key=lambda item: item.flag.number)


def _item(key: str, flag: Flag, now: Need | None, resolution: Resolution | None) -> Item:
    if resolution is not None:
        return Item(key, flag, "resolved", resolution, flag.reason, resolution.amount)
    if now is None:
        return Item(key, flag, "passed", None, flag.reason, 0)
    # Flags of an earlier release do not know of how much they are.
    if flag.amount and flag.amount <= now.amount:
        return Item(key, flag, "open", None, flag.reason, flag.amount)
    return Item(key, flag, "open", None, now.reason, now.amount)


def needs_person(order: "Order") -> bool:
    """Whether anything is open."""
    return any(need.key not in order.facts.resolved for need in order.needs)
