"""An order is over: give back what it still holds, or remember that nothing is to be held for it."""

from collections.abc import Sequence

from services.inventory.domain.reservation import cancel
from services.inventory.handlers.allocations import allocation
from services.inventory.handlers.levels import tell_levels
from services.inventory.store import Tx
from shared.contracts.inventory import StockReleased
from shared.contracts.orders import OrderCancelled
from shared.messaging.message import Message


async def order_cancelled(messages: Sequence[Message[OrderCancelled]], tx: Tx) -> None:
    """Release once per order. A cancellation that overtakes its order leaves a tombstone and releases nothing."""
    before = await tx.store.reservations.take({message.event.order_id: message.trace for message in messages})
    shelf = await tx.store.stock.open(
        {held.sku for reservation in before.values() for held in reservation.held}
    )

    after = dict(before)
    for message in messages:
        event = message.event
        held = after[event.order_id].held
        cancelled = cancel(after[event.order_id], shelf.book, event.reason)
        if cancelled is None:
            continue
        after[event.order_id] = cancelled
        released = StockReleased(
            order_id=event.order_id,
            reason=event.reason,
            allocations=tuple(allocation(allotment, shelf.skus) for allotment in held),
        )
        tx.emit(released, trace=cancelled.trace, cause=message, sequence=cancelled.version)

    await tx.store.reservations.save(before, after)
    changes = await tx.store.stock.save(shelf)
    tell_levels(changes, shelf.book.movements, {message.event.order_id: message for message in messages}, tx)
