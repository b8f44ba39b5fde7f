"""From a decision to rows and to what the world hears."""

from typing import Any

from services.fulfillment.domain.change import Change
from services.fulfillment.domain.shipment import Shipment
from services.fulfillment.handlers.events import event
from services.fulfillment.store import Held, Tx
from shared.messaging.message import Command, Message


def carry_out(
    change: Change, held: Held, tx: Tx, *, cause: Message[Any] | Command[Any], actor: str
) -> Shipment:
    """Records a decision and says what it says, each thing under the next version of its order."""
    held.record(change, actor)
    for said in change.says:
        order = held.next_version(change.shipment.order_id)
        tx.emit(event(said, change.shipment), trace=order.trace, cause=cause, sequence=order.version)
    return change.shipment
