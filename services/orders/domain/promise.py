"""Whether an order goes ahead: the conditions and words of the saga's first rules."""

from services.orders.domain.order import Order
from services.orders.domain.sayings import Cancel, Confirm, Recall

_PAYING = ("authorize", "capture")


def gives_up(order: Order) -> bool:
    """Whether to cancel before fulfilment was told anything."""
    return not order.confirmed and not order.cancelled and bool(why_given_up(order))


def why_given_up(order: Order) -> list[Cancel]:
    """The first reason why an order that is not confirmed does not go ahead; none while it may."""
    facts, wish = order.facts, order.cancel_wanted
    if wish is not None:
        return [Cancel("cancel_requested", wish.why)]
    if facts.rejected:
        return [Cancel("out_of_stock", min(facts.rejected.values()))]
    if "stock" in facts.passed and order.reservation is None:
        return [Cancel("stock_deadline", "no answer about stock in time")]
    return [] if order.balance.funds >= order.terms.total else _why_unpaid(order)


def _why_unpaid(order: Order) -> list[Cancel]:
    for key, payment in sorted(order.facts.payments.items()):
        # Only what would have brought money in: giving some back or freeing it may fail while the customer still pays.
        if any(failure.final and failure.operation in _PAYING for failure in payment.failed.values()):
            return [Cancel("payment_failed", f"payment {key} failed for good")]
    if "payment" in order.facts.passed:
        return [Cancel("payment_deadline", "not paid in time")]
    return []


def confirms(order: Order) -> bool:
    """Whether to ship: stock reserved, funds cover the total, no hold, no reason to give up, not cancelled."""
    if order.confirmed or order.cancelled or order.reservation is None or order.on_hold:
        return False
    return order.balance.funds >= order.terms.total and not why_given_up(order)


def confirmation(order: Order) -> list[Confirm]:
    """Ship from the places of the reservation that counts."""
    return [Confirm(order.reservation_id)] if order.reservation_id is not None else []


def recalls(order: Order) -> bool:
    """Whether to ask fulfilment, once, to give a confirmed order up."""
    if not order.confirmed or order.cancel_wanted is None or order.facts.said.cancel_requested is not None:
        return False
    return not order.final and not order.anything_dispatched


def recall(order: Order) -> list[Recall]:
    """The request to fulfilment, in the name of who wanted it first."""
    wish = order.cancel_wanted
    return [Recall(wish.by, wish.why)] if wish is not None else []


def recalled(order: Order) -> bool:
    """Whether nothing of a confirmed order will ship: fulfilment gave it up, or could pick none of it."""
    nothing_ships = "cancelled" in order.facts.answers or order.every_parcel_cancelled
    return order.confirmed and not order.final and nothing_ships


def why_recalled(order: Order) -> list[Cancel]:
    """The cancellation, with the reason that people are told."""
    wish = order.cancel_wanted
    if wish is not None:
        return [Cancel("cancel_requested", wish.why)]
    return [Cancel("units_not_found", "nothing of the order could be picked")]


def completes(order: Order) -> bool:
    """Whether every parcel came to an end and not all were cancelled."""
    return not order.final and order.every_parcel_ended and not order.every_parcel_cancelled
