"""From facts to what the world hears: the last steps of every handler here."""

from typing import Any

from services.orders.domain.saga import decide
from services.orders.handlers.events import event_of, noted
from services.orders.store import Held, Said, Tx
from shared.messaging.message import Command, Message


def settle(held: Held, tx: Tx, cause: Message[Any] | Command[Any]) -> None:
    """Look at the rules once; what they say gets the order's next versions and waits for `speak`."""
    held.order, said = decide(held.order, tx.now)
    for saying in said:
        event = event_of(saying, held)
        sequence = held.note(*noted(saying))
        if event is not None:
            held.said.append(Said(event, sequence, cause))


def speak(held: Held, tx: Tx) -> None:
    """Emit what was said. The order is locked, or was inserted, in this transaction."""
    for said in held.said:
        tx.emit(said.event, trace=held.trace, cause=said.cause, sequence=said.sequence)
