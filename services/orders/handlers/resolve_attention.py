"""POST /orders/{id}/attention/{attention_id}/resolve: a person has looked after a matter."""

from collections.abc import Sequence

from services.orders.domain import wishes
from services.orders.handlers.asking import carry_out
from services.orders.store import Tx
from shared.messaging.message import Command, Outcome
from shared.value_object import value_object


@value_object
class ResolveAttention:
    """Who resolves it is the command's actor, `reason` is how."""

    order_id: str
    reason: str
    attention_id: int


async def resolve_attention(commands: Sequence[Command[ResolveAttention]], tx: Tx) -> Sequence[Outcome]:
    """202: closed; for a failed capture that also gives up what is left of the authorisation."""
    return await carry_out(
        commands,
        tx,
        "resolve attention",
        lambda order, command, word: wishes.resolve(order, command.value.attention_id, word),
        lambda value: {"attention_id": value.attention_id},
    )
