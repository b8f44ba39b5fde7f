"""What this service keeps, and the transaction its handlers work in."""

from datetime import datetime
from typing import TypeAlias

from services.orders.settings import Settings
from services.orders.store.held import Entry, Held, Said
from services.orders.store.listing import Listing, Stage
from services.orders.store.orders import EXPECTED, Name, Named, Orders, name_of
from shared.db.bulk import Session
from shared.db.transaction import Transaction
from shared.saga.deadlines import consumed_until


class Store:
    """Orders to decide about, and the same orders to look at."""

    def __init__(self, session: Session) -> None:
        self.orders = Orders(session)
        self.listing = Listing(session)
        self._session = session

    async def consumed_until(self) -> datetime | None:
        """The moment up to which everything sent to this service was handled."""
        return await consumed_until(self._session)


Tx: TypeAlias = Transaction[Store, Settings]

__all__ = ["EXPECTED", "Entry", "Held", "Name", "Named", "Said", "Stage", "Store", "Tx", "name_of"]
