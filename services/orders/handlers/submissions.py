"""Capturing orders, whichever road they come by: the same order once, under one id."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson

from services.orders.domain.facts import UNASKED, Facts, Payment
from services.orders.domain.order import Order
from services.orders.domain.terms import Terms
from services.orders.handlers.checking import differences, faulty_fields
from services.orders.handlers.settling import settle, speak
from services.orders.store import Held, Name, Named, Tx
from shared.contracts.channels import OrderBody, OrderSubmitted
from shared.contracts.envelope import FieldError
from shared.db.ids import new_id
from shared.messaging.message import Command, Message
from shared.value_object import value_object

_BODY = set(OrderBody.model_fields)


@dataclass(frozen=True)
class Submission:
    """An order as its channel sent it, and what brought it here."""

    order: OrderSubmitted
    cause: Message[Any] | Command[Any]
    actor: str
    body: Mapping[str, Any] = field(init=False)
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        """Every road in leads to the same body, so that the same order has the same fingerprint."""
        body = self.order.model_dump(mode="json", exclude_none=True, include=_BODY)
        object.__setattr__(self, "body", body)
        object.__setattr__(self, "fingerprint", sha256(orjson.dumps(body)).hexdigest())

    @property
    def name(self) -> Name:
        """How its channel calls it."""
        return self.order.channel, self.order.external_id


@value_object
class Captured:
    """The order stands under this id; `new` when this submission made it so."""

    order_id: str
    new: bool


@value_object
class Faulty:
    """It cannot be an order, for these reasons."""

    errors: tuple[FieldError, ...]


@value_object
class Conflict:
    """Another order was captured under the same name before; these fields differ."""

    order_id: str
    errors: tuple[FieldError, ...]


Result = Captured | Faulty | Conflict


async def capture(submissions: Sequence[Submission], tx: Tx) -> list[Result]:
    """One result per submission, aligned. Of several under one name the first stands."""
    policy = tx.settings.policy
    errors = [faulty_fields(submission.order, policy) for submission in submissions]
    first: dict[Name, Submission] = {}
    for submission, wrong in zip(submissions, errors, strict=True):
        if not wrong:
            first.setdefault(submission.name, submission)

    orders = {name: _place(submission, _unknown(submission, tx), tx) for name, submission in first.items()}
    free = await tx.store.orders.claim(list(orders.values()), tx.settings.windows)
    placed = {name: held for name, held in orders.items() if name in free}
    standing = await tx.store.orders.named(set(orders) - free)
    placed |= await _place_expected(first, standing, tx)
    for held in placed.values():
        speak(held, tx)

    standing |= {
        name: Named(held.order.terms.order_id, held.fingerprint, held.body) for name, held in placed.items()
    }
    return [
        Faulty(wrong) if wrong else _result(submission, standing[submission.name], first, placed)
        for submission, wrong in zip(submissions, errors, strict=True)
    ]


async def _place_expected(
    first: Mapping[Name, Submission], standing: dict[Name, Named], tx: Tx
) -> dict[Name, Held]:
    """Orders whose cancellation came before them: the row that waited becomes the order."""
    expected = {row.order_id: name for name, row in standing.items() if row.body is None}
    held = await tx.store.orders.hold(expected)
    placed = {
        expected[order_id]: _place(first[expected[order_id]], one, tx)
        for order_id, one in held.items()
        if one.expected
    }
    await tx.store.orders.fill(list(placed.values()), tx.settings.windows)
    overtaken = set(expected.values()) - set(placed)
    standing |= await tx.store.orders.named(overtaken)
    return placed


def _unknown(submission: Submission, tx: Tx) -> Held:
    channel, external_id = submission.name
    return Held(Order(Terms(new_id(), channel, external_id, "", 0, tx.now), Facts()), version=0, trace="")


def _place(submission: Submission, held: Held, tx: Tx) -> Held:
    """The order with its terms, the payments made before, and what it says; nothing is emitted yet."""
    order = submission.order
    channel, external_id = submission.name
    terms = Terms(held.order.terms.order_id, channel, external_id, order.currency, order.total, tx.now)
    held.order = Order(terms, held.order.facts)
    held.expected, held.body, held.fingerprint = False, submission.body, submission.fingerprint
    held.trace = tx.new_trace(submission.cause)
    payments = {
        made.payment_id: Payment(
            made.method, made.authorized, {UNASKED: made.captured} if made.captured else {}
        )
        for made in order.payments
    }
    detail = {"lines": len(order.lines), "total": order.total, "currency": order.currency}
    cause = submission.cause
    held.learn(Facts(payments=payments), "order.submitted", submission.actor, detail, cause.id)
    settle(held, tx, cause)
    return held


def _result(
    submission: Submission, stands: Named, first: Mapping[Name, Submission], placed: Mapping[Name, Held]
) -> Result:
    if submission.fingerprint != stands.fingerprint:
        return Conflict(stands.order_id, differences(stands.body or {}, submission.body))
    new = submission.name in placed and first[submission.name] is submission
    return Captured(stands.order_id, new)
