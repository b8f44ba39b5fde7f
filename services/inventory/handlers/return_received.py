"""Goods came back: onto the shelf, into quarantine, or only into the ledger."""

from collections.abc import Sequence

from services.inventory.domain.restock import Returned, take_back
from services.inventory.domain.stock import Cause
from services.inventory.handlers.levels import tell_levels
from services.inventory.store import Tx
from shared.contracts.returns import ReturnReceived
from shared.messaging.message import Message, Unhandleable


class UnknownSku(Unhandleable):
    """Goods came back that the catalogue does not know. The message waits in dead letters until it does."""

    reason = "unknown_sku"


async def return_received(messages: Sequence[Message[ReturnReceived]], tx: Tx) -> None:
    """Book each return once, at the place where its goods are now, whether the catalogue knows that place or not."""
    new = await tx.store.effects.claim_returns(
        {message.event.return_id: message.event.order_id for message in messages}
    )
    fresh = {message.event.return_id: message for message in messages if message.event.return_id in new}
    shelf = await tx.store.stock.open(
        {units.sku for message in fresh.values() for units in message.event.units}
    )

    unknown = {
        message.id: f"return {message.event.return_id}: create SKU {', '.join(sorted(missing))}, then replay this"
        for message in fresh.values()
        if (missing := {units.sku for units in message.event.units} - shelf.skus.keys())
    }
    if unknown:
        raise UnknownSku(unknown)
    for message in fresh.values():
        event = message.event
        units = [Returned(unit.sku, unit.quantity, unit.condition, unit.disposition) for unit in event.units]
        cause = Cause("return", event.return_id, "return.received", note=f"order {event.order_id}")
        shelf.book.move_all(take_back(units, event.place_id, cause))

    changes = await tx.store.stock.save(shelf)
    tell_levels(changes, shelf.book.movements, fresh, tx)
