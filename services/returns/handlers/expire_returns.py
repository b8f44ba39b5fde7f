"""Time passed and the goods of a return never came."""

from services.returns.domain.receive import expire
from services.returns.handlers.say import carry_out
from services.returns.store import Tx

AT_ONCE = 200
"""Most returns given up in one transaction."""


async def expire_returns(tx: Tx) -> int:
    """Rejects returns past their time with the reason `expired`; returns how many.

    Several processes may do this at once: each takes orders that nobody else holds.
    """
    due = await tx.store.returns.due(tx.now, AT_ONCE)
    held = await tx.store.hold({order_id for order_id, _ in due})
    expired = 0
    for order_id, return_id in due:
        change = expire(held[order_id], return_id, now=tx.now)
        if change is not None:
            carry_out(change, held, tx, cause=None)
            expired += 1
    await tx.store.save(held)
    return expired
