"""The goods of a return are here."""

from collections.abc import Sequence

from services.returns.domain.receive import Box, receive
from services.returns.handlers.answer import settle, unknown_return
from services.returns.store import Tx
from shared.messaging.message import Command, Outcome


async def receive_return(commands: Sequence[Command[Box]], tx: Tx) -> Sequence[Outcome]:
    """Takes boxes, each once; the same box again answers the same."""
    held = await tx.store.hold_returns([command.value.return_id for command in commands])
    outcomes: list[Outcome] = []
    for command in commands:
        order = held.of_return(command.value.return_id)
        if order is None:
            outcomes.append(unknown_return(command.value.return_id))
            continue
        decision = receive(order, command.value, now=tx.now, actor=command.actor)
        outcomes.append(settle(decision, held, tx, command))
    await tx.store.save(held)
    return outcomes
