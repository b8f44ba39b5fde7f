"""What the simulation cannot show, since it has one transaction at a time: each guard, and that its lack is seen.

A planted fault is a test's own change to one function; nothing in the suite knows of it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from itertools import count
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from psycopg.errors import DeadlockDetected
from sqlalchemy import text

from services.inventory.domain.adjustment import Adjustment
from services.inventory.domain.catalogue import Place, Sku
from services.inventory.handlers.adjust_stock import adjust_stock
from services.inventory.handlers.order_placed import order_placed
from services.inventory.handlers.put_places import put_places
from services.inventory.handlers.put_skus import put_skus
from services.inventory.store.tables import skus
from services.orders.handlers.order_facts import order_facts
from services.orders.handlers.place_order import place_order
from shared.contracts.channels import OrderLine, OrderSubmitted
from shared.contracts.envelope import Address
from shared.contracts.inventory import Shortage, StockRejected
from shared.contracts.payments import PaymentCaptured
from shared.db.bulk import Session
from shared.db.ids import new_id
from shared.messaging.message import Command
from shared.messaging.outbox import Outbox
from shared.messaging.schema import outbox
from shared.runtime.service import Service
from tests.component.inventory.batches import TRACE, messages
from tests.component.inventory.world import order
from tests.harness.service import until

Services = dict[str, Service[Any, Any]]
Work = Callable[[Any], Awaitable[Any]]


def command(value: Any) -> list[Command[Any]]:
    return [Command(new_id(), value, "test", TRACE)]


async def alone(service: Service[Any, Any], work: Work) -> None:
    async with service.transaction() as tx:
        await work(tx)


async def stocked(service: Service[Any, Any], units: int) -> str:
    """A new SKU with so many units at one place."""
    sku, place = f"sku-{new_id()}", f"place-{new_id()}"

    async def work(tx: Any) -> None:
        await put_skus(command([Sku(sku)]), tx)
        await put_places(command([Place(place, "warehouse", None, {"country": "DE"})]), tx)
        await adjust_stock(command(Adjustment(new_id(), sku, place, "on_hand", units, "received")), tx)

    await alone(service, work)
    return sku


def placing(*skus: str) -> Work:
    """Reserves one unit of each for a new order."""
    event = order([(sku, 1) for sku in skus])
    return lambda tx: order_placed(messages([event]), tx)


async def overlapping(service: Service[Any, Any], first: Work, second: Work) -> None:
    """The second transaction works when the first has done its work and has not committed."""

    async def waits_for_a_lock() -> bool:
        async with service.engine.connect() as connection:
            query = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            return (await connection.execute(text(query))).first() is not None

    async def stands() -> bool:
        return later.done() or await waits_for_a_lock()

    async with service.transaction() as tx:
        await first(tx)
        later = asyncio.create_task(alone(service, second))
        await until(stands, "the second transaction is done or waits for the first")
    await later


@contextmanager
def read_without_locks() -> Iterator[None]:
    """Rows are read for a decision and not locked."""
    fetch = Session.fetch

    async def unlocked(session: Session, *arguments: Any, **named: Any) -> Any:
        return await fetch(session, *arguments, **{**named, "lock": False})

    with patch.object(Session, "fetch", unlocked):
        yield


@pytest.mark.parametrize("fault", [nullcontext, read_without_locks])
async def test_two_decisions_about_one_sku_see_each_other(services: Services, fault: Any) -> None:
    inventory = services["inventory"]
    sku = await stocked(inventory, 2)
    with fault():
        await overlapping(inventory, placing(sku), placing(sku))
    async with inventory.read() as store:
        drifts = [row for row in await store.reports.drift(60) if row["sku"] == sku]
    assert bool(drifts) is (fault is read_without_locks), drifts


_named: ContextVar[list[str]] = ContextVar("named")


@contextmanager
def locked_as_named() -> Iterator[None]:
    """SKUs are locked in the order in which an order names them."""
    fetch, met = Session.fetch, asyncio.Barrier(2)

    async def unsorted(session: Session, table: Any, column: str, values: Any, **named: Any) -> Any:
        if table is not skus or not named.get("lock"):
            return await fetch(session, table, column, values, **named)
        first, *others = _named.get()
        rows = await fetch(session, table, column, [first], **named)
        await met.wait()
        return sorted(rows + await fetch(session, table, column, others, **named), key=lambda row: row["sku"])

    with patch.object(Session, "fetch", unsorted):
        yield


@pytest.mark.parametrize("fault", [nullcontext, locked_as_named])
async def test_orders_that_name_skus_in_opposite_order_never_deadlock(services: Services, fault: Any) -> None:
    inventory = services["inventory"]
    one, other = await stocked(inventory, 2), await stocked(inventory, 2)

    async def place(names: list[str]) -> None:
        _named.set(names)
        await alone(inventory, placing(*names))

    with fault():
        ended = await asyncio.gather(place([one, other]), place([other, one]), return_exceptions=True)
    deadlocks = [error for error in ended if isinstance(error, DeadlockDetected)]
    assert [error for error in ended if error is not None] == deadlocks
    assert bool(deadlocks) is (fault is locked_as_named)


@contextmanager
def emitted_before_the_lock() -> Iterator[None]:
    """What a transaction says gets its place in the outbox when the transaction begins."""
    create, flush, numbers = Outbox.__init__, Outbox.flush, count(10**9, 1_000)

    def begun(self: Outbox, *arguments: Any) -> None:
        create(self, *arguments)
        self.first = next(numbers)  # type: ignore[attr-defined]

    async def flushed(self: Outbox, session: Session) -> int:
        rows, self._rows = self._rows, []
        await session.insert(outbox, [{"id": self.first + n, **row} for n, row in enumerate(rows)])  # type: ignore[attr-defined]
        return len(rows) + await flush(self, session)

    with patch.object(Outbox, "__init__", begun), patch.object(Outbox, "flush", flushed):
        yield


@pytest.mark.parametrize("fault", [nullcontext, emitted_before_the_lock])
async def test_what_is_said_of_an_order_lies_in_the_outbox_in_the_order_of_its_versions(
    services: Services, fault: Any
) -> None:
    orders = services["orders"]
    line = OrderLine(line_id="1", sku="MUG", quantity=1, unit_price=100, total=100)
    submitted = OrderSubmitted(
        channel="shop",
        external_id=new_id(),
        address=Address(country="DE"),
        lines=(line,),
        total=100,
        currency="EUR",
    )
    async with orders.transaction() as tx:
        (placed,) = await place_order(command(submitted), tx)
    order_id = placed.body["order_id"]
    short = Shortage(sku="MUG", requested=1, available=0, reason="not_enough_stock")
    rejected = StockRejected(order_id=order_id, shortages=(short,))
    paid = PaymentCaptured(order_id=order_id, payment_id="p", amount=100, currency="EUR")
    with fault():
        # Begun first, the payment's transaction comes to the order's lock second.
        async with orders.transaction() as slow:
            async with orders.transaction() as quick:
                await order_facts(messages([rejected]), quick)
            await order_facts(messages([paid]), slow)
    async with orders.engine.connect() as connection:
        query = text("SELECT headers FROM outbox WHERE key = :key AND topic <> 'order.placed' ORDER BY id")
        rows = (await connection.execute(query, {"key": order_id})).scalars().all()
    versions = [int(dict(orjson.loads(headers))["ce_sequence"]) for headers in rows]
    assert len(versions) == 2
    assert (versions == sorted(versions)) is (fault is nullcontext), versions
