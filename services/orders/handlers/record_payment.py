"""POST /orders/{id}/payments: money that people collected in another way than the payment service."""

from collections.abc import Sequence

from services.orders.domain import wishes
from services.orders.handlers.asking import carry_out
from services.orders.store import Tx
from shared.messaging.message import Command, Outcome
from shared.value_object import value_object


@value_object
class RecordPayment:
    """`amount` in minor units, `method` as people call it (cash). The same `payment_id` is the same payment."""

    order_id: str
    reason: str
    amount: int
    method: str
    payment_id: str | None = None


async def record_payment(commands: Sequence[Command[RecordPayment]], tx: Tx) -> Sequence[Outcome]:
    """202: it counts as captured; 409 for the id of another payment."""
    return await carry_out(
        commands,
        tx,
        "payment by hand",
        lambda order, command, word: wishes.record_payment(
            order, _payment_id(command), command.value.amount, command.value.method, word
        ),
        lambda value: {"amount": value.amount, "method": value.method, "payment_id": value.payment_id or ""},
    )


def _payment_id(command: Command[RecordPayment]) -> str:
    return command.value.payment_id or command.id
