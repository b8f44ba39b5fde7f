"""What people and other systems may ask of an order, and what they hear instead when it is too late."""

from services.orders.domain.attention import items
from services.orders.domain.balance import at_least_zero
from services.orders.domain.facts import (
    BY_HAND,
    UNASKED,
    Facts,
    Gift,
    Hold,
    Operation,
    Payment,
    Resolution,
    Word,
)
from services.orders.domain.order import Order
from shared.value_object import value_object


@value_object
class Already:
    """Nothing to do: it is so already. `as_before` says what, for people."""

    as_before: str


@value_object
class No:
    """It contradicts what already happened; `instead` says what to do instead."""

    code: str
    instead: str


Answer = Facts | Already | No
"""New facts to join, or why there are none."""


def cancel(order: Order, wish_id: str, word: Word) -> Answer:
    """Cancel the whole order: until something left its place, and unless fulfilment already refused."""
    if order.cancelled:
        return Already("the order is cancelled")
    if order.completed:
        return No("order_completed", "The order is completed. Start a return for what should come back.")
    if order.anything_dispatched:
        instead = "Goods are on their way. Start a return as soon as they are delivered."
        return No("already_dispatched", instead)
    if "refused" in order.facts.answers:
        why = order.facts.answers["refused"]
        instead = f"Fulfilment refused to give it up ({why}). Start a return as soon as it is delivered."
        return No("cancel_refused", instead)
    if order.cancel_wanted is not None:
        return Already("the order is being cancelled")
    return Facts(cancels={wish_id: word})


def hold(order: Order, hold_id: str, word: Word) -> Answer:
    """Keep the order from being confirmed; only before it is."""
    known = order.facts.holds.get(hold_id)
    if known is not None and known.released is None:
        return Already("this hold was placed before")
    if order.final:
        return No("order_over", "The order is over; there is nothing to hold.")
    if order.confirmed:
        instead = "The order was confirmed and is being shipped. Cancel it while nothing has left its place."
        return No("already_confirmed", instead)
    if known is not None:
        return No("hold_released", f"The hold {hold_id} was placed and released before; use another hold_id.")
    return Facts(holds={hold_id: Hold(placed=word)})


def release(order: Order, hold_id: str | None, word: Word) -> Answer:
    """Release one hold, or all."""
    holds = order.facts.holds
    if hold_id is not None and hold_id not in holds:
        known = ", ".join(sorted(holds)) or "none"
        return No("unknown_hold", f"The order has no hold {hold_id}; it has: {known}.")
    chosen = [hold_id] if hold_id is not None else list(holds)
    on = [key for key in chosen if holds[key].released is None]
    if not on:
        return Already("no such hold is on")
    return Facts(holds={key: Hold(released=word) for key in on})


def ask_again(order: Order, operation: Operation, payment_id: str | None) -> Answer:
    """Ask the payment service again for what failed and was not settled in another way: of one payment or of all."""
    failed = order.balance.failed(operation, payment_id)
    if not failed:
        requests = order.facts.said.requests
        again = [requests[key] for key in order.facts.forgiven if requests[key].operation == operation]
        if any(payment_id in (None, request.payment_id) for request in again):
            return Already(f"the {operation} was asked for again before")
        return No("nothing_failed", f"No {operation} failed here, so there is nothing to ask for again.")
    if operation == "capture" and order.balance.due <= 0:
        return No("nothing_due", "Nothing is due: it was collected from another payment, or given up.")
    return Facts(forgiven=frozenset(failed))


def refund(order: Order, gift_id: str, amount: int, payment_id: str | None, word: Word) -> Answer:
    """Pay back by hand, within what was captured and not yet paid back."""
    gift = order.facts.gifts.get(gift_id)
    if gift is not None and (gift.amount, gift.payment_id) != (amount, payment_id or ""):
        what = f"{gift.amount} of {gift.payment_id or 'any payment'}"
        return No(
            "refund_differs", f"The refund {gift_id} is already another one: {what}. Use another refund_id."
        )
    if gift is not None:
        return Already("this refund was asked for before")
    room = order.balance.room
    if payment_id is not None and payment_id not in room:
        known = ", ".join(sorted(room)) or "none"
        return No("unknown_payment", f"The order has no payment {payment_id}; it has: {known}.")
    most = room[payment_id] if payment_id is not None else sum(room.values())
    if amount > most:
        what = f"payment {payment_id}" if payment_id is not None else "the order"
        instead = f"At most {most} {order.terms.currency} (minor units) of {what} can be paid back now."
        return No("more_than_captured", instead)
    above = min(amount, at_least_zero(order.balance.surplus))
    kept = at_least_zero(above - _not_meant_to_keep(order))
    return Facts(gifts={gift_id: Gift(amount, payment_id or "", word, above, kept)})


def _not_meant_to_keep(order: Order) -> int:
    """What is open of what was paid above the total."""
    return sum(need.amount for need in order.needs if need.kind == "overpaid")


def record_payment(order: Order, payment_id: str, amount: int, method: str, word: Word) -> Answer:
    """Count money that people collected in another way; it can only be paid back by people.

    It is kept apart from what the payment service calls by the same id, and may yet tell of.
    """
    new = Payment(method=method, captured={UNASKED: amount}, by_hand=True)
    payments = order.facts.payments
    if payments.get(BY_HAND + payment_id) == new:
        return Already("this payment was recorded before")
    if payment_id in payments or BY_HAND + payment_id in payments:
        taken = "The order has another payment of this payment_id. What the payment service collects it tells itself;"
        return No("payment_differs", f"{taken} for money collected in another way use a new payment_id.")
    return Facts(payments={BY_HAND + payment_id: new})


def resolve(order: Order, number: int, amount: int | None, word: Word) -> Answer:
    """Close a matter that was put before people, and settle what it is about.

    Who says which `amount` they settled hears if it is another one by now.
    """
    item = next((one for one in items(order) if one.flag.number == number), None)
    if item is None:
        return No("unknown_attention", f"The order has no matter {number}.")
    if item.state == "resolved":
        return Already("this matter was resolved before")
    if item.state == "passed":
        return Already("this matter has passed by itself")
    if amount not in (None, item.amount):
        instead = (
            f"The matter is now about {item.amount} {order.terms.currency} (minor units): {item.reason}."
        )
        return No("amount_changed", instead)
    return Facts(resolved={item.key: Resolution(word.by, word.why, word.at, item.amount)})
