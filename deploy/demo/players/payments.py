"""The payment service: an account per payment, every request answered once and, asked again, with the same answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from deploy.demo.datasets.model import Dice, Habits, Payment
from deploy.demo.players import Saying
from shared.contracts.orders import (
    OrderPlaced,
    PaymentCaptureRequested,
    PaymentRefundRequested,
    PaymentRequest,
    PaymentVoidRequested,
)
from shared.contracts.payments import (
    PaymentAuthorized,
    PaymentCaptured,
    PaymentFailed,
    PaymentRefunded,
    PaymentVoided,
)

Operation = Literal["capture", "refund", "void"]

_LATE = (1.0, 5.0)
"""Seconds that bank slips and second tries take here, where a day passes in the blink of an eye."""


@dataclass(slots=True)
class Account:
    """What really happened to a payment's money, in minor units."""

    order_id: str
    authorized: int = 0
    captured: int = 0
    refunded: int = 0
    voided: int = 0
    answers: dict[str, Saying] = field(default_factory=dict)

    @property
    def open(self) -> int:
        """Agreed to, and neither collected nor given up."""
        return self.authorized - self.captured - self.voided


class PaymentService:
    """Decides what payers and their banks do."""

    def __init__(self, dice: Dice, habits: Habits) -> None:
        self._dice = dice
        self._habits = habits
        self.accounts: dict[str, Account] = {}
        self._early: dict[str, list[PaymentRequest]] = {}
        """Requests about payments of orders that we have not heard of: topics have no order among themselves."""
        self.impossible: list[str] = []
        """Requests that no payment service could fulfil: more than is there. There must be none."""

    def placed(self, order: OrderPlaced, payments: Sequence[Payment]) -> list[Saying]:
        """An order was placed: its payers authorise, pay at once, later, or not. Hearing it again says nothing."""
        sayings: list[Saying] = []
        for made in order.payments:
            known = Account(order.order_id, authorized=made.authorized, captured=made.captured)
            self.accounts.setdefault(made.payment_id, known)
        for payment in payments:
            if payment.how != "prepaid" and payment.payment_id not in self.accounts:
                self.accounts[payment.payment_id] = Account(order.order_id)
                sayings += self._pay(order, payment)
        for made in order.payments:
            for request in self._early.pop(made.payment_id, ()):
                sayings += self.answer(request)
        return sayings

    def answer(self, request: PaymentRequest) -> list[Saying]:
        """Whatever we are asked for."""
        if isinstance(request, PaymentCaptureRequested):
            return self.capture(request)
        if isinstance(request, PaymentRefundRequested):
            return self.refund(request)
        return self.void(request) if isinstance(request, PaymentVoidRequested) else []

    @property
    def objections(self) -> tuple[str, ...]:
        """What was asked and could not be done: for more money than there is, or of payments nobody ever made."""
        early = (request for requests in self._early.values() for request in requests)
        unknown = (f"{request.topic} {request.request_id}: unknown payment" for request in early)
        return (*self.impossible, *unknown)

    def _pay(self, order: OrderPlaced, payment: Payment) -> list[Saying]:
        name, habits = payment.payment_id, self._habits
        if self._dice.happens("gives up", name, habits.gives_up):
            return [self._declined(order, payment, final=True)]
        if payment.how == "later" and self._dice.happens("never pays", name, habits.never_pays):
            return []
        declined = self._dice.happens("declines", name, habits.declines)
        late = payment.how == "later" or declined
        after = self._dice.between("pays after", name, *_LATE) if late else 0.0
        account = self.accounts[name]
        account.authorized = payment.amount
        kind = PaymentAuthorized if payment.how == "authorize" else PaymentCaptured
        if kind is PaymentCaptured:
            account.captured = payment.amount
        event = kind(order_id=order.order_id, payment_id=name, amount=payment.amount, currency=order.currency)
        paid = Saying(event, f"{name}/paid", after)
        return [self._declined(order, payment, final=False), paid] if declined else [paid]

    def _declined(self, order: OrderPlaced, payment: Payment, *, final: bool) -> Saying:
        event = PaymentFailed(
            order_id=order.order_id, payment_id=payment.payment_id, operation="authorize", amount=payment.amount,
            currency=order.currency, final=final, reason="the bank declined",
        )  # fmt: skip
        return Saying(event, f"{payment.payment_id}/declined")

    def capture(self, request: PaymentCaptureRequested) -> list[Saying]:
        """Collect of what is authorised; now and then the bank refuses although it had agreed."""
        account, known = self._known(request)
        if account is None or known:
            return known
        if request.amount > account.open:
            return [self._cannot(request, account, "capture")]
        if self._dice.happens("capture fails", request.request_id, self._habits.capture_fails):
            return [self._fails(request, account, "capture", "the bank refused")]
        account.captured += request.amount
        return [self._answer(request, account, PaymentCaptured)]

    def refund(self, request: PaymentRefundRequested) -> list[Saying]:
        """Pay back of what was collected; now and then the payer's account is closed."""
        account, known = self._known(request)
        if account is None or known:
            return known
        if request.amount > account.captured - account.refunded:
            return [self._cannot(request, account, "refund")]
        if self._dice.happens("refund fails", request.request_id, self._habits.refund_fails):
            return [self._fails(request, account, "refund", "the account is closed")]
        account.refunded += request.amount
        return [self._answer(request, account, PaymentRefunded)]

    def void(self, request: PaymentVoidRequested) -> list[Saying]:
        """Give up what is authorised and not collected."""
        account, known = self._known(request)
        if account is None or known:
            return known
        if request.amount != account.open:
            return [self._cannot(request, account, "void")]
        account.voided += request.amount
        return [self._answer(request, account, PaymentVoided)]

    def _known(self, request: PaymentRequest) -> tuple[Account | None, list[Saying]]:
        account = self.accounts.get(request.payment_id)
        if account is None:
            self._early.setdefault(request.payment_id, []).append(request)
            return None, []
        answer = account.answers.get(request.request_id)
        return account, [answer] if answer else []

    def _answer(
        self,
        request: PaymentRequest,
        account: Account,
        kind: type[PaymentCaptured] | type[PaymentRefunded] | type[PaymentVoided],
    ) -> Saying:
        event = kind(
            order_id=request.order_id, payment_id=request.payment_id, request_id=request.request_id,
            amount=request.amount, currency=request.currency,
        )  # fmt: skip
        account.answers[request.request_id] = Saying(event, f"{request.request_id}/{kind.topic}")
        return account.answers[request.request_id]

    def _cannot(self, request: PaymentRequest, account: Account, operation: Operation) -> Saying:
        self.impossible.append(
            f"{request.topic} {request.request_id}: {request.amount} of payment {request.payment_id} with "
            f"authorised {account.authorized}, captured {account.captured}, refunded {account.refunded}"
        )
        return self._fails(request, account, operation, "more than there is")

    def _fails(self, request: PaymentRequest, account: Account, operation: Operation, reason: str) -> Saying:
        event = PaymentFailed(
            order_id=request.order_id, payment_id=request.payment_id, request_id=request.request_id,
            operation=operation, amount=request.amount, currency=request.currency, final=True, reason=reason,
        )  # fmt: skip
        account.answers[request.request_id] = Saying(event, f"{request.request_id}/failed")
        return account.answers[request.request_id]
