"""An order's money at one look: what is there, what may be collected, what is owed back.

Formulas of the design: due = shares of dispatched parcels - captured - captures asked and open;
owed = kept - cost - refunds asked. All in minor units.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.orders.domain.facts import Facts, Operation, Payment, Request
from services.orders.domain.order import NEVER_ARRIVED, Order, dispatched, end_of


@dataclass(frozen=True, slots=True)
class Balance:
    """`left` is what may still be captured of each payment, `room` what may still be refunded of each."""

    funds: int
    captured: int
    refunds: int
    cost: int
    due: int
    owed: int
    capture_open: bool
    left: Mapping[str, int]
    room: Mapping[str, int]


def balance(order: Order) -> Balance:
    """Work the order's money out from its facts."""
    facts, total = order.facts, order.terms.total
    captured = sum(collected(payment) for payment in facts.payments.values())
    asked_captures = sum(amount for _, amount in open_captures(facts))
    refunds = refunds_asked(facts)
    shipped = sum(share.amount for _, share, parcel in order.parcels if dispatched(parcel))
    cost = cost_of(order, captured)
    kept = captured if order.cancelled else min(captured, total)
    return Balance(
        funds=sum(payment_funds(facts, key) for key in facts.payments),
        captured=captured,
        refunds=refunds,
        cost=cost,
        due=shipped - captured - asked_captures,
        owed=kept - cost - (refunds - _out_of_excess(order, captured)),
        capture_open=asked_captures > 0,
        left={key: 0 if blocked(facts, key, "capture") else uncaptured(facts, key) for key in facts.payments},
        room={key: 0 if blocked(facts, key, "refund") else refundable(facts, key) for key in facts.payments},
    )


def cost_of(order: Order, captured: int) -> int:
    """What the payer owes for what was delivered and kept, never below 0; nothing when cancelled."""
    if order.cancelled:
        return 0
    lost = sum(amount for _, amount in order.shares(NEVER_ARRIVED))
    returned = sum(worth(order, key) for key in order.facts.returns)
    return at_least_zero(order.terms.total - lost - returned - (_gifts(order) - _excess_given(order, captured)))


def worth(order: Order, return_id: str) -> int:
    """What a return lowers the cost by: nothing before it is received, and nothing beyond its parcel.

    A parcel that never arrived is paid back as a parcel; the return of its goods is worth nothing more.
    """
    record = order.facts.returns[return_id]
    if record.received is None or record.origin == "returned_to_sender":
        return 0
    parcels = [order.facts.parcels.get(key) for key in record.parcels]
    never_arrived = [parcel is not None and end_of(parcel) in NEVER_ARRIVED for parcel in parcels]
    return 0 if parcels and all(never_arrived) else record.value


def collected(payment: Payment) -> int:
    """What was captured of a payment, asked or unasked."""
    return sum(payment.captured.values())


def requests_of(facts: Facts, operation: Operation, payment_id: str | None = None) -> Iterable[tuple[str, Request]]:
    """What we asked for, of one payment or of all."""
    for key, request in facts.said.requests.items():
        if request.operation == operation and payment_id in (None, request.payment_id):
            yield key, request


def open_captures(facts: Facts, payment_id: str | None = None) -> Iterable[tuple[str, int]]:
    """Captures asked for and neither answered nor failed, with their amounts."""
    for key, request in requests_of(facts, "capture", payment_id):
        payment = facts.payments[request.payment_id]
        if key not in payment.captured and key not in payment.failed:
            yield key, request.amount


def refunds_asked(facts: Facts, payment_id: str | None = None) -> int:
    """What was paid back or is being paid back: asked and not failed, or done unasked."""
    asked = sum(_counts(facts, key, request) for key, request in requests_of(facts, "refund", payment_id))
    payments = facts.payments if payment_id is None else [payment_id]
    unasked = sum(
        amount
        for payment in payments
        for key, amount in facts.payments[payment].refunded.items()
        if key not in facts.said.requests
    )
    return asked + unasked


def _counts(facts: Facts, request_id: str, request: Request) -> int:
    payment = facts.payments[request.payment_id]
    if request_id in payment.refunded:
        return payment.refunded[request_id]
    return 0 if request_id in payment.failed else request.amount


def failed_requests(facts: Facts, operation: Operation, payment_id: str | None = None) -> list[str]:
    """Requests that failed, or did less than was asked, and that nobody asked for again."""
    failed = []
    for key, request in requests_of(facts, operation, payment_id):
        payment = facts.payments[request.payment_id]
        done = {"capture": payment.captured, "refund": payment.refunded, "void": payment.voided}[operation]
        too_little = key in done and done[key] < request.amount
        if (too_little or (key in payment.failed and key not in done)) and key not in facts.forgiven:
            failed.append(key)
    return failed


def blocked(facts: Facts, payment_id: str, operation: Operation) -> bool:
    """Whether this operation failed before, so that only a person may have it asked for again."""
    return bool(failed_requests(facts, operation, payment_id))


def given_up(facts: Facts, payment_id: str) -> bool:
    """Whether what is authorised and not captured was voided, or is being voided."""
    return bool(facts.payments[payment_id].voided) or any(True for _ in requests_of(facts, "void", payment_id))


def uncaptured(facts: Facts, payment_id: str) -> int:
    """What is authorised, not given up, and neither captured nor being captured."""
    if given_up(facts, payment_id):
        return 0
    payment = facts.payments[payment_id]
    asked = sum(amount for _, amount in open_captures(facts, payment_id))
    return at_least_zero(payment.authorized - collected(payment) - asked)


def payment_funds(facts: Facts, payment_id: str) -> int:
    """Captured, and authorised and not yet captured."""
    payment = facts.payments[payment_id]
    if given_up(facts, payment_id):
        return collected(payment)
    return max(payment.authorized, collected(payment))


def refundable(facts: Facts, payment_id: str) -> int:
    """What is captured and neither paid back nor being paid back."""
    return at_least_zero(collected(facts.payments[payment_id]) - refunds_asked(facts, payment_id))


def in_turn(amount: int, available: Mapping[str, int]) -> list[tuple[str, int]]:
    """`amount` over payments in the order of their ids, each up to what it has; less when they have not enough."""
    parts = []
    for key in sorted(available):
        part = min(amount, available[key])
        if part > 0:
            parts.append((key, part))
            amount -= part
    return parts


def at_least_zero(amount: int) -> int:
    """Money never owed the other way round."""
    return max(0, amount)


# Money given by hand comes out of what was paid above the total first; only the rest lowers the cost.


def _gifts(order: Order) -> int:
    return sum(gift.amount for gift in order.facts.gifts.values())


def _excess_given(order: Order, captured: int) -> int:
    return min(_gifts(order), at_least_zero(captured - order.terms.total))


def _out_of_excess(order: Order, captured: int) -> int:
    if order.cancelled:
        return 0
    asked = sum(
        _counts(order.facts, key, request)
        for key, request in requests_of(order.facts, "refund")
        if request.gift
    )
    return min(asked, at_least_zero(captured - order.terms.total))
