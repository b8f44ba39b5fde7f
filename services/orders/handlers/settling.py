"""From facts to what the world hears: the last steps of every handler here."""

from typing import Any

from services.orders.domain.saga import decide
from services.orders.handlers.events import event_of, noted
from services.orders.handlers.measuring import measure
from services.orders.store import Held, Said, Tx
from shared.messaging.message import Command, Message


def settle(held: Held, tx: Tx, cause: Message[Any] | Command[Any]) -> None:
    """Look at the rules once; what they say gets the order's next versions and waits for `speak`."""
    held.order, said = decide(held.order, tx.now)
    for saying in said:
        event = event_of(saying, held)
        held.said.append(Said(saying, event, held.note(*noted(saying)), cause))


def speak(held: Held, tx: Tx) -> None:
    """Emit and count what was said. The order is locked, or was inserted, in this transaction."""
    for said in held.said:
        if said.event is not None:
            tx.emit(said.event, trace=held.trace, cause=said.cause, sequence=said.sequence)
        measure(said, held, tx)
