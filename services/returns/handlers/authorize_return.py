"""Somebody wants to send units back."""

from collections.abc import Sequence
from dataclasses import replace

from services.returns.domain.authorize import authorize
from services.returns.domain.change import Change
from services.returns.domain.choose import Request
from services.returns.handlers.answer import settle
from services.returns.store import Tx
from shared.messaging.message import Command, Done, Outcome, Refused
from shared.value_object import value_object


@value_object
class AuthorizeReturn:
    """The order by our id, or else by its channel and external id."""

    request: Request
    order_id: str | None = None
    name: tuple[str, str] | None = None


async def authorize_return(commands: Sequence[Command[AuthorizeReturn]], tx: Tx) -> Sequence[Outcome]:
    """Opens returns for units that may come back; 201 when new, 200 for a reference known already."""
    names = {command.value.name for command in commands if command.value.name is not None}
    named = await tx.store.orders.named(names)
    order_ids = [
        command.value.order_id or (named.get(command.value.name) if command.value.name else None)
        for command in commands
    ]
    held = await tx.store.hold({order_id for order_id in order_ids if order_id is not None})
    outcomes: list[Outcome] = []
    for command, order_id in zip(commands, order_ids, strict=True):
        order = held.get(order_id)
        if order is None:
            outcomes.append(_unknown_order(command.value))
            continue
        decision = authorize(
            order,
            command.value.request,
            tx.settings.policy,
            return_id=command.id,
            now=tx.now,
            actor=command.actor,
        )
        outcome = settle(decision, held, tx, command)
        new = isinstance(decision, Change) and decision.says is not None
        outcomes.append(_created(outcome) if new and isinstance(outcome, Done) else outcome)
    await tx.store.save(held)
    return outcomes


def _created(done: Done) -> Done:
    return replace(done, status=201, headers={"Location": f"/returns/{done.body['return_id']}"})


def _unknown_order(asked: AuthorizeReturn) -> Refused:
    name = asked.order_id or ":".join(asked.name or ())
    return Refused(
        404, "unknown_order", f"No confirmed order {name} is known here; check the id, or wait a moment."
    )
