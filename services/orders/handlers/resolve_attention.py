"""POST /orders/{id}/attention/{attention_id}/resolve: a person has looked after a matter."""

from collections.abc import Sequence

from services.orders.domain import wishes
from services.orders.handlers.asking import carry_out
from services.orders.store import Tx
from shared.messaging.message import Command, Outcome
from shared.value_object import value_object


@value_object
class ResolveAttention:
    """Who resolves it is the command's actor, `reason` is how, `amount` what they settled, if they say so."""

    order_id: str
    reason: str
    attention_id: int
    amount: int | None = None


async def resolve_attention(commands: Sequence[Command[ResolveAttention]], tx: Tx) -> Sequence[Outcome]:
    """202: closed. A matter of money is settled as far as people were told of it: what was to be collected is given
    up, and with it what is left of a failed authorisation; what was to be paid back counts as paid back.
    """
    return await carry_out(
        commands,
        tx,
        "resolve attention",
        lambda order, command, word: wishes.resolve(
            order, command.value.attention_id, command.value.amount, word
        ),
        lambda value: {"attention_id": value.attention_id},
    )
