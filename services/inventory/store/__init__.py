"""Inventory's database."""

from typing import TypeAlias

from services.inventory.settings import Settings
from services.inventory.store.catalogue import Catalogue
from services.inventory.store.effects import Effects
from services.inventory.store.reports import Reports
from services.inventory.store.reservations import Reservations
from services.inventory.store.stock import Stock
from shared.db.bulk import Session
from shared.db.transaction import Transaction


class Store:
    """Everything inventory keeps, by what it is about."""

    def __init__(self, session: Session) -> None:
        self.reservations = Reservations(session)
        self.stock = Stock(session)
        self.catalogue = Catalogue(session)
        self.effects = Effects(session)
        self.reports = Reports(session)


Tx: TypeAlias = Transaction[Store, Settings]
