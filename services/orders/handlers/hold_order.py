"""POST /orders/{id}/hold and /release: keep an order from being confirmed for a while."""

from collections.abc import Sequence

from services.orders.domain import wishes
from services.orders.handlers.asking import carry_out
from services.orders.store import Tx
from shared.messaging.message import Command, Outcome
from shared.value_object import value_object


@value_object
class HoldOrder:
    """`hold_id` is the asker's own name of the hold; the same name is the same hold."""

    order_id: str
    reason: str
    hold_id: str | None = None


@value_object
class ReleaseOrder:
    """Without `hold_id` all holds are released."""

    order_id: str
    reason: str
    hold_id: str | None = None


async def hold_order(commands: Sequence[Command[HoldOrder]], tx: Tx) -> Sequence[Outcome]:
    """202: on hold; 409 once it is confirmed or over."""
    return await carry_out(
        commands,
        tx,
        "hold",
        lambda order, command, word: wishes.hold(order, command.value.hold_id or command.id, word),
        lambda value: {"hold_id": value.hold_id} if value.hold_id else {},
    )


async def release_order(commands: Sequence[Command[ReleaseOrder]], tx: Tx) -> Sequence[Outcome]:
    """202: released, and confirmed at once if nothing else is missing; 409 for a hold that is not there."""
    return await carry_out(
        commands,
        tx,
        "release",
        lambda order, command, word: wishes.release(order, command.value.hold_id, word),
        lambda value: {"hold_id": value.hold_id} if value.hold_id else {},
    )
