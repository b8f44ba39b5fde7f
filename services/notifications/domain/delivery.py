"""The life of one delivery: one template to one person about one thing that happened."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from services.notifications.domain.contact import Contact
from services.notifications.domain.mail import Accepted, Answer, Refused, Unsent
from shared.value_object import value_object


class State(StrEnum):
    """Where a delivery stands. Sent, failed and skipped are ends; a person may send the first two again."""

    WAITING = "waiting"
    """For its contact."""
    QUEUED = "queued"
    """To be sent when it is due."""
    SENT = "sent"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Nobody to tell: the contact has no e-mail address."""


@value_object
class Notice:
    """Something worth telling. `cause` names what happened (an order, parcel, return, refund), so that
    the same thing said twice, even in two messages, is told once; `data` is what the template shows."""

    order_id: str
    template: str
    cause: str
    data: Mapping[str, Any]


@value_object
class Delivery:
    """One row. `sending` counts how often a person wanted it sent, `attempts` the tries of this sending.

    `queued_at` is when this sending was asked for; `due_at` when the next try, or the end of a claim, is.
    """

    delivery_id: str
    order_id: str
    template: str
    cause: str
    data: Mapping[str, Any]
    traceparent: str
    created_at: datetime
    queued_at: datetime
    due_at: datetime
    recipient: str = ""
    state: State = State.WAITING
    reason: str | None = None
    sending: int = 1
    attempts: int = 0
    sent_at: datetime | None = None
    version: int = 1

    def message_id(self, domain: str) -> str:
        """The Message-ID: the same in every attempt of a sending, so that a duplicate is recognised as one."""
        again = "" if self.sending == 1 else f".{self.sending}"
        return f"<{self.delivery_id}{again}@{domain}>"


@value_object
class Patience:
    """How a deferred mail is tried again: after `first`, then twice as long each time up to `longest`,
    until `give_up_after` has passed since it was queued (RFC 5321, 4.5.4.1 advises 4-5 days)."""

    first: timedelta
    longest: timedelta
    give_up_after: timedelta

    def pause(self, attempts: int) -> timedelta:
        """The wait after this many attempts."""
        return min(self.first * (1 << min(attempts - 1, 30)), self.longest)


def open_delivery(delivery_id: str, notice: Notice, contact: Contact, now: datetime) -> Delivery:
    """The delivery that a notice causes: addressed at once if its contact is known."""
    delivery = Delivery(
        delivery_id=delivery_id,
        order_id=notice.order_id,
        template=notice.template,
        cause=notice.cause,
        data=notice.data,
        traceparent=contact.traceparent,
        created_at=now,
        queued_at=now,
        due_at=now,
    )
    return address(delivery, contact, now)


def address(delivery: Delivery, contact: Contact, now: datetime) -> Delivery:
    """Give a waiting delivery its recipient, as far as there is one."""
    if not contact.known or delivery.state is not State.WAITING:
        return delivery
    if contact.email is None:
        return replace(delivery, state=State.SKIPPED, reason="no address", version=delivery.version + 1)
    return replace(
        delivery,
        state=State.QUEUED,
        recipient=contact.email,
        queued_at=now,
        due_at=now,
        version=delivery.version + 1,
    )


def settle(
    delivery: Delivery, attempt: int, answer: Answer, now: datetime, patience: Patience
) -> Delivery | None:
    """What an answer to attempt number `attempt` makes of a delivery; None if it changes nothing.

    A claim may have run out while the server was asked, and another process may be at it. That the
    server took the mail is true all the same; every other answer belongs to the later attempt then.
    """
    if delivery.state is not State.QUEUED:
        return None
    version = delivery.version + 1
    if isinstance(answer, Accepted):
        return replace(delivery, state=State.SENT, reason=None, sent_at=now, version=version)
    if delivery.attempts != attempt:
        return None
    if isinstance(answer, Unsent):
        return replace(delivery, due_at=now, attempts=attempt - 1, reason=answer.reason, version=version)
    if isinstance(answer, Refused):
        return replace(delivery, state=State.FAILED, reason=answer.reason, version=version)
    due_at = now + patience.pause(attempt)
    if due_at > delivery.queued_at + patience.give_up_after:
        return replace(delivery, state=State.FAILED, reason=f"given up: {answer.reason}", version=version)
    return replace(delivery, due_at=due_at, reason=answer.reason, version=version)


def send_again(delivery: Delivery, now: datetime) -> Delivery | None:
    """A person wants an ended delivery sent once more, as a mail of its own; None where nobody can be told.

    What is queued already stays as it is, so asking twice sends one mail.
    """
    if delivery.state is State.QUEUED:
        return delivery
    if delivery.state in (State.WAITING, State.SKIPPED):
        return None
    return replace(
        delivery,
        state=State.QUEUED,
        reason=None,
        sending=delivery.sending + 1,
        attempts=0,
        queued_at=now,
        due_at=now,
        version=delivery.version + 1,
    )
