"""What the payment service is asked for, and what is told of its refunds.

The formulas are in `balance.py`; here amounts become requests, each for one payment.
"""

from collections.abc import Iterator
from dataclasses import replace

from services.orders.domain.balance import in_turn, worth
from services.orders.domain.facts import Facts, Operation, Request, resolutions, settled
from services.orders.domain.order import Order
from services.orders.domain.parcels import NEVER_ARRIVED
from services.orders.domain.sayings import Ask, Cover, Issue


def has_payments(order: Order) -> bool:
    """Whether there is any money to look at."""
    return bool(order.facts.payments)


def captures(order: Order) -> list[Ask]:
    """Collect what is dispatched and not yet collected, over the open authorisations in turn."""
    money = order.balance
    return _requests(order, "capture", in_turn(money.due, money.left)) if money.due > 0 else []


def gives(order: Order) -> list[Ask]:
    """Pay back what a person decided to: each gift once, and again what failed of it and is to be asked for again.

    Of the latter only what comes out of money above the total: the rest lowers the cost, so `pays_back` sees to it.
    """
    asked = _asked_of_gifts(order)
    asks: list[Ask] = []
    room = dict(order.balance.room)
    left = order.balance.gifts_left
    for key, gift in order.facts.gifts.items():
        amount = gift.amount
        if key in asked:
            amount = min(left, gift.amount - asked[key])
            left -= amount
        parts = in_turn(amount, {gift.payment_id: room[gift.payment_id]} if gift.payment_id else room)
        for payment_id, amount in parts:
            room[payment_id] -= amount
        new = _requests(order, "refund", parts, after=len(asks))
        asks += [replace(ask, gift=key, reason=gift.word.why) for ask in new]
    return asks


def _asked_of_gifts(order: Order) -> dict[str, int]:
    """What was asked for of each gift, without what failed and is to be asked for again."""
    facts = order.facts
    asked: dict[str, int] = {}
    for key, request in facts.said.requests.items():
        if request.gift:
            done = facts.payments[request.payment_id].refunded.get(key, 0)
            asked[request.gift] = asked.get(request.gift, 0) + (
                done if key in facts.forgiven else request.amount
            )
    return asked


def pays_back(order: Order) -> list[Ask]:
    """Pay back what is kept above the cost, over the captured payments in turn; names what it newly counts."""
    money = order.balance
    if money.owed <= 0:
        return []
    asks = _requests(order, "refund", in_turn(money.owed, money.room))
    if order.cancelled:
        return [replace(ask, reason="order cancelled") for ask in asks]
    if asks:
        returns, parcels = _newly_counted(order)
        # Named once: whoever waits for a refund waits for the first of several.
        asks[0] = replace(asks[0], returns=returns, parcels=parcels)
    return asks


def may_cover(order: Order) -> bool:
    """Whether nothing will be owed for the returns that came back.

    Only once the order is over and nothing is to be collected any more: should news of a parcel or of a capture
    be on its way, money may be owed yet, and then the refund names the return.
    """
    if not order.facts.returns or not order.facts.payments or not order.final:
        return False
    money = order.balance
    return not money.capture_open and money.due <= 0 and money.owed <= 0


def covers(order: Order) -> list[Cover]:
    """Name the returns for which nothing goes back: it did before, by hand, or the goods were never paid for."""
    returns, _ = _newly_counted(order)
    number = len(order.facts.said.covered) + 1
    payment_id = min(order.facts.payments)
    return [Cover(f"{order.terms.order_id}.n{number}", payment_id, returns)] if returns else []


def _newly_counted(order: Order) -> tuple[tuple[str, ...], tuple[str, ...]]:
    named = set(order.facts.said.covered)
    for key, request in order.facts.said.requests.items():
        if _pays(order.facts, key, request):
            named.update(request.returns, request.parcels)
    returns = {key for key in order.facts.returns if worth(order.facts, key)}
    parcels = {key for key, _ in order.shares(NEVER_ARRIVED)}
    return tuple(sorted(returns - named)), tuple(sorted(parcels - named))


def _pays(facts: Facts, key: str, request: Request) -> bool:
    """Whether this request did not fail, worked after all, or people paid in another way instead."""
    payment = facts.payments[request.payment_id]
    failed = payment.failure(key) is not None and key not in payment.refunded
    return not failed or settled(facts, f"refund_failed:{key}") > 0


def may_void(order: Order) -> bool:
    """Whether nothing more will be collected.

    While a capture is open, or failed and a person may still have it asked for again, the authorisation is
    needed; a person gives it up by resolving the matter, after which nothing is due.
    """
    money = order.balance
    awaits_decision = money.due > 0 and bool(money.failed("capture"))
    return order.final and not money.capture_open and not awaits_decision


def voids(order: Order) -> list[Ask]:
    """Give up every authorisation that is neither given up nor wholly captured, also one that came late."""
    left = [(key, account.uncaptured) for key, account in sorted(order.balance.accounts.items())]
    return _requests(order, "void", [(key, amount) for key, amount in left if amount > 0])


def tells(order: Order) -> list[Issue]:
    """Say which money went back, once per refund and once per refund that people paid in another way."""
    issues = []
    for payment_id, payment in order.facts.payments.items():
        for key, amount in payment.refunded.items():
            asked = order.facts.said.requests.get(key)
            returns, parcels = (asked.returns, asked.parcels) if asked is not None else ((), ())
            issues.append(Issue(key, payment_id, amount, returns, parcels))
    if order.facts.resolved:
        issues += _paid_by_hand(order.facts)
    return [issue for issue in issues if issue.request_id not in order.facts.said.issued]


def _paid_by_hand(facts: Facts) -> Iterator[Issue]:
    for key, asked in facts.said.requests.items():
        by_hand = facts.payments[asked.payment_id].by_hand
        matter = f"refund_by_hand:{key}" if by_hand else f"refund_failed:{key}"
        for turn, paid in enumerate(resolutions(facts, matter), start=1):
            if paid.amount:
                yield Issue(f"{key}.h{turn}", asked.payment_id, paid.amount, asked.returns, asked.parcels)


def _requests(order: Order, operation: Operation, parts: list[tuple[str, int]], after: int = 0) -> list[Ask]:
    number = len(order.facts.said.requests) + after
    return [
        Ask(
            f"{order.terms.order_id}.{operation[0]}{number + index}",
            operation,
            payment_id,
            amount,
            by_hand=order.facts.payments[payment_id].by_hand,
        )
        for index, (payment_id, amount) in enumerate(parts, start=1)
    ]
