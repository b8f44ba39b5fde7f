"""The five services, put together as their `app.py` does, with what is outside replaced by something quick."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import structlog

import services.fulfillment.handlers
import services.fulfillment.settings
import services.fulfillment.store
import services.fulfillment.store.tables
import services.inventory.handlers
import services.inventory.settings
import services.inventory.store
import services.inventory.store.tables
import services.notifications.handlers
import services.notifications.settings
import services.notifications.store
import services.notifications.store.tables
import services.orders.handlers
import services.orders.settings
import services.orders.store
import services.orders.store.tables
import services.returns.handlers
import services.returns.settings
import services.returns.store
import services.returns.store.tables
from services.fulfillment.domain.carrier import Consignment
from services.fulfillment.domain.carrier import Ports as Carriers
from services.fulfillment.domain.shipment import Booking, Scan
from services.inventory.domain.geography import Located, Point
from services.inventory.ports import Ports as Geography
from shared.messaging.message import Route
from tests.simulation.host import Blueprint, QuickDecoder


class Atlas:
    """A gazetteer of two countries."""

    def locate(self, country: str, region: str | None, city: str | None) -> Located | None:
        """The middle of the country."""
        return _COUNTRIES.get(country)


_COUNTRIES = {"DE": Located(Point(51.0, 10.0), "country"), "FR": Located(Point(47.0, 2.0), "country")}


class Drivers:
    """Numbers parcels, as LocalCarrier does, and draws no labels."""

    async def book(self, consignment: Consignment, serial: int) -> Booking:
        """The next number."""
        number = f"{serial:010d}"
        return Booking("local", number, f"https://example.com/{number}")

    async def label(self, consignment: Consignment, booking: Booking, form: Any) -> bytes:
        """Nobody asks."""
        raise NotImplementedError

    async def track(self, booking: Booking) -> tuple[Scan, ...]:
        """Nothing: the drivers have sent what they know."""
        return ()


_SERVICES: Mapping[str, tuple[Any, Any]] = {
    "orders": (services.orders, None),
    "inventory": (services.inventory, Geography(gazetteer=Atlas())),
    "fulfillment": (services.fulfillment, Carriers(carrier=Drivers())),
    "returns": (services.returns, None),
    "notifications": (services.notifications, None),
}


def blueprints() -> dict[str, Blueprint]:
    """Each service by name. Made anew for each run, so that what a test changed in a module counts."""
    return {name: _blueprint(name, package, ports) for name, (package, ports) in _SERVICES.items()}


def _blueprint(name: str, package: Any, ports: Any) -> Blueprint:
    routes: tuple[Route, ...] = package.handlers.ROUTES
    return Blueprint(
        name=name,
        metadata=package.store.tables.metadata,
        store=package.store.Store,
        routes=routes,
        settings=_settings(package.settings.Settings),
        ports=ports,
        decoder=QuickDecoder(routes),
    )


def _settings(kind: Any) -> Any:
    """The defaults, whatever the environment says; read a million times, so as plain attributes."""
    made = kind.model_construct(database_url="postgresql+psycopg://nowhere/nothing")
    values = {name: getattr(made, name) for name in kind.model_fields}
    for name in ("windows", "policy"):
        if hasattr(kind, name):
            values[name] = getattr(made, name)
    return SimpleNamespace(**values)


@contextmanager
def silence() -> Iterator[None]:
    """No log lines inside the block: what goes wrong in a history is told by its verdict."""
    before = structlog.get_config()
    structlog.configure(processors=[_drop])
    try:
        yield
    finally:
        structlog.configure(**before)


def _drop(*_: Any) -> Any:
    raise structlog.DropEvent
