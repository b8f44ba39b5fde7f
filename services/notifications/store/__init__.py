"""What notifications keeps, and the transaction its handlers work in."""

from typing import TypeAlias

from services.notifications.settings import Settings
from services.notifications.store.contacts import Contacts
from services.notifications.store.deliveries import Deliveries
from services.notifications.store.pace import Pace
from shared.db.bulk import Session
from shared.db.transaction import Transaction


class Store:
    """Queries per aggregate. Lock order: the pace, then contacts, then deliveries."""

    def __init__(self, session: Session) -> None:
        self.contacts = Contacts(session)
        self.deliveries = Deliveries(session)
        self.pace = Pace(session)


Tx: TypeAlias = Transaction[Store, Settings]

__all__ = ["Store", "Tx"]
