"""POST /orders/{id}/captures: have a failed capture asked for again."""

from collections.abc import Sequence

from services.orders.domain import wishes
from services.orders.handlers.asking import carry_out
from services.orders.store import Tx
from shared.messaging.message import Command, Outcome
from shared.value_object import value_object


@value_object
class AskCaptureAgain:
    """Of one payment, or of all that failed."""

    order_id: str
    reason: str
    payment_id: str | None = None


async def ask_capture_again(commands: Sequence[Command[AskCaptureAgain]], tx: Tx) -> Sequence[Outcome]:
    """202: asked again for what is still due; 409 when no capture failed."""
    return await carry_out(
        commands,
        tx,
        "capture again",
        lambda order, command, _: wishes.ask_again(order, "capture", command.value.payment_id),
        lambda value: {"payment_id": value.payment_id} if value.payment_id else {},
    )
