"""POST /orders/{id}/cancel: cancel the whole order while nothing has left its place."""

from collections.abc import Sequence

from services.orders.domain import wishes
from services.orders.handlers.asking import carry_out
from services.orders.store import Tx
from shared.messaging.message import Command, Outcome
from shared.value_object import value_object


@value_object
class CancelOrder:
    """Who cancels is the command's actor."""

    order_id: str
    reason: str


async def cancel_order(commands: Sequence[Command[CancelOrder]], tx: Tx) -> Sequence[Outcome]:
    """202: cancelled, or fulfilment is asked to give it up (state `cancelling`); 409 when it is too late."""
    return await carry_out(
        commands,
        tx,
        "cancel",
        lambda order, command, word: wishes.cancel(order, command.id, word),
        lambda _: {},
    )
