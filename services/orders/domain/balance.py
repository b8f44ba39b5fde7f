"""An order's money at one look: what is there, what may be collected, what is owed back.

Formulas of the design: due = shares of dispatched parcels - captured - captures asked and open;
owed = kept - cost - refunds asked. What people settled by closing a matter counts as well: what they gave up is
not due, and what they paid back in another way is paid back. All in minor units.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.orders.domain.facts import Facts, Operation, Payment, Request, settled
from services.orders.domain.parcels import NEVER_ARRIVED, Known, dispatched, end_of
from shared.value_object import value_object


@value_object
class Failed:
    """A request that failed or did less than was asked: what is missing, and nobody asked for again or settled."""

    operation: Operation
    amount: int


@dataclass(slots=True)
class Account:
    """One payment: what is authorised and captured, what of it is on its way, and what went wrong.

    `capturing` was asked for and is neither answered nor failed. `refunds` was asked for and did not fail, was
    done unasked, or people paid it back in another way; `gifts` is the part of it that people decided by hand.
    """

    authorized: int
    captured: int
    capturing: int = 0
    refunds: int = 0
    gifts: int = 0
    given_up: bool = False
    failed: dict[str, Failed] = field(default_factory=dict)

    @property
    def funds(self) -> int:
        """Captured, and authorised and not yet captured."""
        return self.captured if self.given_up else max(self.authorized, self.captured)

    @property
    def uncaptured(self) -> int:
        """Authorised, not given up, and neither captured nor being captured."""
        return 0 if self.given_up else at_least_zero(self.authorized - self.captured - self.capturing)

    @property
    def refundable(self) -> int:
        """Captured, and neither paid back nor being paid back."""
        return at_least_zero(self.captured - self.refunds)

    def blocked(self, operation: Operation) -> bool:
        """Whether this operation failed, so that only a person may have it asked for again."""
        return any(one.operation == operation for one in self.failed.values())


@value_object
class Balance:
    """The order's money over all its payments."""

    accounts: Mapping[str, Account]
    funds: int
    captured: int
    refunds: int
    cost: int
    due: int
    given_up: int
    """Of what was due, what people gave up."""
    surplus: int
    """Paid above what the order costs, and not given back by hand; below 0 while less was paid."""
    owed: int
    gifts_left: int
    """Of what people give out of money above the total, what is neither paid back nor being paid back."""

    @property
    def capture_open(self) -> bool:
        """Whether a capture was asked for and is not answered."""
        return any(account.capturing for account in self.accounts.values())

    @property
    def left(self) -> Mapping[str, int]:
        """What may still be captured of each payment."""
        return {
            key: 0 if account.blocked("capture") else account.uncaptured
            for key, account in self.accounts.items()
        }

    @property
    def room(self) -> Mapping[str, int]:
        """What may still be paid back of each payment."""
        return {
            key: 0 if account.blocked("refund") else account.refundable
            for key, account in self.accounts.items()
        }

    def failed(self, operation: Operation, payment_id: str | None = None) -> list[str]:
        """Requests that failed and that nobody asked for again, of one payment or of all."""
        return [
            key
            for payment, account in self.accounts.items()
            for key, failed in account.failed.items()
            if failed.operation == operation and payment_id in (None, payment)
        ]


def balance(total: int, facts: Facts, parcels: Sequence[Known]) -> Balance:
    """Work the money out from the order's total, its facts and its parcels."""
    accounts = {key: _account(facts, payment) for key, payment in facts.payments.items()}
    for key, request in facts.said.requests.items():
        _COUNT[request.operation](accounts[request.payment_id], facts, key, request)
    captured = capturing = refunds = gifts_made = funds = 0
    for account in accounts.values():
        captured += account.captured
        capturing += account.capturing
        refunds += account.refunds
        gifts_made += account.gifts
        funds += account.funds
    cancelled = facts.said.cancelled is not None
    # What people give comes out of what was paid above the total first; only the rest lowers the cost.
    above = 0 if cancelled else sum(gift.above for gift in facts.gifts.values())
    gifts = sum(gift.amount for gift in facts.gifts.values())
    full_cost = 0 if cancelled else _cost(total, facts, parcels)
    cost = at_least_zero(full_cost - at_least_zero(gifts - above))
    spent = refunds - min(above, gifts_made)
    kept = captured if cancelled else min(captured, total)
    owed = kept - cost - spent
    # Of a gift out of the excess that failed, what has gone back in another way is not left.
    gifts_left = at_least_zero(min(above - gifts_made, owed + above - min(above, gifts_made)))
    given_up = _given_up(facts)
    # Goods that never arrived or came back cost nothing, so nothing of them was given up.
    free = at_least_zero(given_up - (total - full_cost))
    left = sum(share.amount for _, share, parcel in parcels if dispatched(parcel))
    return Balance(
        accounts=accounts,
        funds=funds,
        captured=captured,
        refunds=refunds,
        cost=cost,
        due=left - captured - capturing - given_up,
        given_up=given_up,
        surplus=0 if cancelled else captured + free - total - above,
        owed=owed,
        gifts_left=gifts_left,
    )


def _given_up(facts: Facts) -> int:
    """What people gave up of what was due. What a capture brought after all was not given up."""
    if not facts.resolved:
        return 0
    amount = settled(facts, "underpaid")
    for key, request in facts.said.requests.items():
        if request.operation == "capture":
            missing = request.amount - facts.payments[request.payment_id].captured.get(key, 0)
            amount += min(settled(facts, f"capture_failed:{key}"), at_least_zero(missing))
    return amount


def _cost(total: int, facts: Facts, parcels: Sequence[Known]) -> int:
    """What the payer owes for what was delivered and kept, never below 0; without what people give."""
    lost = sum(share.amount for _, share, parcel in parcels if end_of(parcel) in NEVER_ARRIVED)
    returned = sum(worth(facts, key) for key in facts.returns)
    return at_least_zero(total - lost - returned)


def worth(facts: Facts, return_id: str) -> int:
    """What a return lowers the cost by: nothing before it is received.

    A parcel that never arrived is paid back as a parcel; the return of its goods is worth nothing more.
    """
    record = facts.returns[return_id]
    if record.received is None or record.origin == "returned_to_sender":
        return 0
    parcels = [facts.parcels.get(key) for key in record.parcels]
    never_arrived = [parcel is not None and end_of(parcel) in NEVER_ARRIVED for parcel in parcels]
    return 0 if parcels and all(never_arrived) else record.value


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
    """Money is never owed the other way round."""
    return max(0, amount)


def _account(facts: Facts, payment: Payment) -> Account:
    unasked = sum(amount for key, amount in payment.refunded.items() if key not in facts.said.requests)
    # What the payment service might say of a payment that people collected is nothing it could be asked for.
    authorized = 0 if payment.by_hand else payment.authorized
    return Account(authorized, sum(payment.captured.values()), refunds=unasked, given_up=bool(payment.voided))


def _count_capture(account: Account, facts: Facts, key: str, request: Request) -> None:
    payment = facts.payments[request.payment_id]
    if not payment.answered(key):
        account.capturing += request.amount
    _note_failure(account, facts, key, request, payment.captured)


def _count_refund(account: Account, facts: Facts, key: str, request: Request) -> None:
    payment = facts.payments[request.payment_id]
    asked = 0 if payment.failure(key) is not None else request.amount
    paid_by_hand = settled(facts, f"refund_failed:{key}")
    amount = payment.refunded.get(key, asked) + paid_by_hand - settled(facts, f"paid_twice:{key}")
    account.refunds += amount
    account.gifts += amount if request.gift else 0
    _note_failure(account, facts, key, request, payment.refunded, paid_by_hand)


def _count_void(account: Account, facts: Facts, key: str, request: Request) -> None:
    account.given_up = True
    _note_failure(account, facts, key, request, facts.payments[request.payment_id].voided)


def _note_failure(
    account: Account, facts: Facts, key: str, request: Request, done: Mapping[str, int], by_hand: int = 0
) -> None:
    failed = key in done or facts.payments[request.payment_id].failure(key) is not None
    missing = request.amount - done.get(key, 0) - by_hand
    if failed and missing > 0 and key not in facts.forgiven:
        account.failed[key] = Failed(request.operation, missing)


_COUNT = {"capture": _count_capture, "refund": _count_refund, "void": _count_void}
