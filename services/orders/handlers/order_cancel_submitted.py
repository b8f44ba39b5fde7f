"""A channel wants an order cancelled, by the name it gave it; perhaps before the order itself arrives."""

from collections.abc import Sequence

from services.orders.domain import wishes
from services.orders.domain.facts import Facts, Word
from services.orders.domain.order import Order
from services.orders.domain.terms import Terms
from services.orders.domain.wishes import Already, No
from services.orders.handlers.refusing import refuse
from services.orders.handlers.settling import settle, speak
from services.orders.store import Held, Name, Tx, name_of
from shared.contracts.channels import OrderCancelSubmitted
from shared.contracts.envelope import FieldError
from shared.db.ids import new_id
from shared.messaging.message import Invalid, Message


async def order_cancel_submitted(messages: Sequence[Message[OrderCancelSubmitted | Invalid]], tx: Tx) -> None:
    """Joins the wish to its order, known or expected; says order.refused where it comes too late."""
    wanted: list[tuple[Message[OrderCancelSubmitted], OrderCancelSubmitted]] = []
    for message in messages:
        event = message.event
        if isinstance(event, Invalid):
            refuse(message, "cancellation", event.body, event.errors, tx)
        elif event.channel not in tx.settings.channels:
            known = ", ".join(sorted(tx.settings.channels))
            error = FieldError(
                field="channel", problem="is not a known channel", remedy=f"use one of: {known}"
            )
            refuse(message, "cancellation", event.model_dump(), (error,), tx)
        else:
            wanted.append((message, event))  # type: ignore[arg-type]
    orders = await _hold({(event.channel, event.external_id) for _, event in wanted}, tx)
    for message, event in wanted:
        _cancel(orders[event.channel, event.external_id], message, event, tx)
    await tx.store.orders.save(orders.values(), tx.settings.windows)
    for held in orders.values():
        speak(held, tx)


async def _hold(names: set[Name], tx: Tx) -> dict[Name, Held]:
    """The orders of these names, locked; a name that is not known yet is claimed for the order to come."""
    known = await tx.store.orders.named(names)
    unknown = [_expected(name, tx) for name in sorted(names - set(known))]
    if unknown:
        await tx.store.orders.claim(unknown, tx.settings.windows)
        known = await tx.store.orders.named(names)
    held = await tx.store.orders.hold({row.order_id for row in known.values()})
    return {name_of(one): one for one in held.values()}


def _expected(name: Name, tx: Tx) -> Held:
    terms = Terms(new_id(), *name, currency="", total=0, placed_at=tx.now)
    return Held(Order(terms, Facts()), version=0, trace="", expected=True)


def _cancel(held: Held, message: Message[OrderCancelSubmitted], event: OrderCancelSubmitted, tx: Tx) -> None:
    word = Word(event.requested_by, event.reason, tx.now)
    answer = wishes.cancel(held.order, message.id, word)
    detail = {"reason": event.reason, "requested_by": event.requested_by}
    if isinstance(answer, No):
        error = FieldError(
            field="external_id", problem="the order cannot be cancelled any more", remedy=answer.instead
        )
        named = {"channel": event.channel, "external_id": event.external_id}
        refuse(message, "cancellation", named, (error,), tx)
        held.learn(Facts(), event.topic, event.channel, {**detail, "refused": answer.code}, message.id)
    elif not isinstance(answer, Already):
        held.learn(answer, event.topic, event.channel, detail, message.id)
        if not held.expected:
            settle(held, tx, message)
