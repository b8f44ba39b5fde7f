"""What the payment service, another system, says. Captured, failed, refunded and voided repeat the
payment and request ids and carry the amount of that one operation."""

from typing import ClassVar, Literal

from shared.contracts.envelope import Currency, Id, Money, OrderEvent, Text


class PaymentAuthorized(OrderEvent):
    """The payer agreed to pay up to this much."""

    topic: ClassVar[str] = "payment.authorized"

    payment_id: Id
    amount: Money
    currency: Currency


class PaymentCaptured(OrderEvent):
    """This much was collected; without a request id it was captured unasked (a sale)."""

    topic: ClassVar[str] = "payment.captured"

    payment_id: Id
    request_id: Id | None = None
    amount: Money
    currency: Currency


class PaymentFailed(OrderEvent):
    """An operation failed; `final` says that this payment will not be tried again."""

    topic: ClassVar[str] = "payment.failed"

    payment_id: Id
    request_id: Id | None = None
    operation: Literal["authorize", "capture", "refund", "void"]
    amount: Money
    currency: Currency
    final: bool
    reason: Text = ""


class PaymentRefunded(OrderEvent):
    """This much went back to the payer."""

    topic: ClassVar[str] = "payment.refunded"

    payment_id: Id
    request_id: Id
    amount: Money
    currency: Currency


class PaymentVoided(OrderEvent):
    """What was authorised and not captured was given up."""

    topic: ClassVar[str] = "payment.voided"

    payment_id: Id
    request_id: Id | None = None
    amount: Money
    currency: Currency
