"""What this service keeps, and the transaction its handlers work in."""

from collections.abc import Collection, Mapping
from typing import TypeAlias

from services.returns.domain.order import ReturnableOrder
from services.returns.settings import Settings
from services.returns.store.held import Held
from services.returns.store.order_rows import from_row
from services.returns.store.orders import Orders
from services.returns.store.returns import Filter, Position, Returns
from shared.db.bulk import Session
from shared.db.transaction import Transaction


class Store:
    """Queries per aggregate, and orders held with their returns for a decision. `now` is database time (UTC)."""

    def __init__(self, session: Session) -> None:
        self.now = session.now
        self.orders = Orders(session)
        self.returns = Returns(session)

    async def hold(self, order_ids: Collection[str], traces: Mapping[str, str] | None = None) -> Held:
        """These orders locked, with their returns. With `traces` (order id -> trace), unknown ones are new."""
        rows = await self.orders.lock(order_ids)
        returns = await self.returns.of_orders([row["order_id"] for row in rows])
        known = {row["order_id"]: from_row(row, returns.get(row["order_id"], {})) for row in rows}
        return Held(known, traces or {})

    async def hold_heard(self, traces: Mapping[str, str]) -> Held:
        """The orders of messages, locked; those heard of for the first time begin with their message's trace."""
        return await self.hold(traces.keys(), traces)

    async def hold_returns(self, return_ids: Collection[str]) -> Held:
        """The orders of these returns, locked; unknown ids are left out."""
        return await self.hold(await self.returns.order_ids(return_ids))

    async def save(self, held: Held) -> None:
        """Writes what changed: one statement per table and kind of change."""
        await self.orders.insert(held.new_orders())
        await self.orders.confirm(held.confirmed_orders())
        await self.orders.update(held.changed_orders())
        await self.returns.insert(held.new_returns())
        await self.returns.update(held.changed_returns())

    async def find_order(self, order_id: str) -> ReturnableOrder | None:
        """One order with its returns, for reading."""
        rows = await self.orders.find([order_id])
        returns = await self.returns.of_orders([row["order_id"] for row in rows])
        return from_row(rows[0], returns.get(order_id, {})) if rows else None


Tx: TypeAlias = Transaction[Store, Settings]

__all__ = ["Filter", "Held", "Position", "Store", "Tx"]
