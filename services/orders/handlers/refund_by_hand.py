"""POST /orders/{id}/refunds: pay back by hand, or have a failed refund asked for again."""

from collections.abc import Sequence
from typing import Any

from services.orders.domain import wishes
from services.orders.domain.facts import Word
from services.orders.domain.order import Order
from services.orders.domain.wishes import Answer
from services.orders.handlers.asking import carry_out
from services.orders.store import Tx
from shared.messaging.message import Command, Outcome
from shared.value_object import value_object


@value_object
class RefundByHand:
    """`amount` in minor units; without it, what failed is asked for again. The same `refund_id` is the same refund."""

    order_id: str
    reason: str
    amount: int | None = None
    payment_id: str | None = None
    refund_id: str | None = None


async def refund_by_hand(commands: Sequence[Command[RefundByHand]], tx: Tx) -> Sequence[Outcome]:
    """202: asked for; 409 for more than was captured and not yet paid back, or when nothing failed."""
    return await carry_out(commands, tx, "refund by hand", _wish, _detail)


def _wish(order: Order, command: Command[RefundByHand], word: Word) -> Answer:
    value = command.value
    if value.amount is None:
        return wishes.ask_again(order, "refund", value.payment_id)
    return wishes.refund(order, value.refund_id or command.id, value.amount, value.payment_id, word)


def _detail(value: RefundByHand) -> dict[str, Any]:
    named = {"amount": value.amount, "payment_id": value.payment_id, "refund_id": value.refund_id}
    return {name: one for name, one in named.items() if one is not None}
