"""Nothing comes of a return."""

from collections.abc import Sequence

from services.returns.domain.receive import reject
from services.returns.handlers.answer import settle, unknown_return
from services.returns.store import Tx
from shared.messaging.message import Command, Outcome
from shared.value_object import value_object


@value_object
class RejectReturn:
    """Which return, and why."""

    return_id: str
    reason: str


async def reject_return(commands: Sequence[Command[RejectReturn]], tx: Tx) -> Sequence[Outcome]:
    """Ends returns whose goods are not here or not accepted; ended already, the first reason stands."""
    held = await tx.store.hold_returns([command.value.return_id for command in commands])
    outcomes: list[Outcome] = []
    for command in commands:
        asked = command.value
        order = held.of_return(asked.return_id)
        if order is None:
            outcomes.append(unknown_return(asked.return_id))
            continue
        decision = reject(order, asked.return_id, asked.reason, now=tx.now, actor=command.actor)
        outcomes.append(settle(decision, held, tx, command))
    await tx.store.save(held)
    return outcomes
