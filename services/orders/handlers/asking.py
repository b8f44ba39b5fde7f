"""The shape of all commands about one order: hold it, ask the domain, answer."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from services.orders.domain.facts import Word
from services.orders.domain.order import Order
from services.orders.domain.saga import state
from services.orders.domain.wishes import Already, Answer, No
from services.orders.handlers.settling import settle, speak
from services.orders.store import Held, Tx
from shared.messaging.message import Command, Done, Outcome, Refused


class Asked(Protocol):
    """A command about one order."""

    @property
    def order_id(self) -> str:
        """The order."""
        ...

    @property
    def reason(self) -> str:
        """Why, in the asker's words."""
        ...


A = TypeVar("A", bound=Asked)


async def carry_out(
    commands: Sequence[Command[A]],
    tx: Tx,
    kind: str,
    wish: Callable[[Order, Command[A], Word], Answer],
    detail: Callable[[A], Mapping[str, Any]],
) -> list[Outcome]:
    """Put each wish to its order: 202 when it was taken, 200 when it is so already, 409 with what to do instead."""
    orders = await tx.store.orders.hold({command.value.order_id for command in commands})
    outcomes = [
        _answer(orders.get(command.value.order_id), command, tx, kind, wish, detail) for command in commands
    ]
    await tx.store.orders.save([held for held in orders.values() if held.entries], tx.settings.windows)
    for held in orders.values():
        speak(held, tx)
    return outcomes


def _answer(
    held: Held | None,
    command: Command[A],
    tx: Tx,
    kind: str,
    wish: Callable[[Order, Command[A], Word], Answer],
    detail: Callable[[A], Mapping[str, Any]],
) -> Outcome:
    if held is None or held.expected:
        return Refused(404, "unknown_order", f"There is no order {command.value.order_id}.")
    # A header can carry what a message must not.
    actor = "".join(character for character in command.actor if character.isprintable())
    word = Word(actor, command.value.reason, tx.now)
    answer = wish(held.order, command, word)
    if isinstance(answer, No):
        return Refused(409, answer.code, answer.instead)
    if isinstance(answer, Already):
        return Done({**_view(held), "detail": answer.as_before})
    noted = {"reason": command.value.reason, **detail(command.value)}
    held.learn(answer, kind, actor, noted, command.id)
    settle(held, tx, command)
    return Done(_view(held), status=202)


def _view(held: Held) -> dict[str, Any]:
    return {"order_id": held.order.terms.order_id, "state": state(held.order).value, "version": held.version}
