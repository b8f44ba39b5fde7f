"""A service with one table, small enough that only the plumbing can be at fault.

It hears payment.captured, keeps the sum per order under the order's row lock, and says refund.issued with
the running sum and the count as sequence. An amount of 666 makes its handler fail.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
from sqlalchemy import BigInteger, Column, MetaData, Table, text
from sqlalchemy.ext.asyncio import create_async_engine

from deploy.local import Platform
from shared.contracts.orders import RefundIssued
from shared.contracts.payments import PaymentCaptured, PaymentVoided
from shared.db.bulk import Session
from shared.db.migrate import Schema
from shared.db.types import Key
from shared.messaging.message import Invalid, Message, Route
from shared.messaging.schema import messaging_tables
from shared.runtime.service import ROLES, Service
from shared.runtime.settings import ServiceSettings
from tests.harness.service import Running, until

metadata = MetaData()
tallies = Table(
    "tallies",
    metadata,
    Column("order_id", Key, primary_key=True),
    Column("total", BigInteger, nullable=False),
    Column("count", BigInteger, nullable=False),
)
messaging_tables(metadata)


class Store:
    """The tally of orders."""

    def __init__(self, session: Session) -> None:
        self.session = session

    async def lock(self, order_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        ids = sorted(set(order_ids))
        await self.session.insert(
            tallies, [{"order_id": order, "total": 0, "count": 0} for order in ids], ignore_duplicates=True
        )
        return {row["order_id"]: row for row in await self.session.fetch(tallies, "order_id", ids, lock=True)}

    async def save(self, rows: Sequence[dict[str, Any]]) -> None:
        await self.session.update(tallies, rows, key=("order_id",))


async def tally(messages: Sequence[Message[PaymentCaptured]], tx: Any) -> None:
    rows = await tx.store.lock([message.event.order_id for message in messages])
    for message in messages:
        event = message.event
        if event.amount == 666:
            raise ValueError("this amount is cursed")
        row = rows[event.order_id]
        row["total"] += event.amount
        row["count"] += 1
        said = RefundIssued(
            order_id=event.order_id,
            request_id=event.payment_id,
            payment_id=event.payment_id,
            amount=row["total"],
            currency="EUR",
        )
        tx.emit(said, trace=message.trace, cause=message, sequence=row["count"])
    await tx.store.save(list(rows.values()))


async def voided(messages: Sequence[Message[PaymentVoided | Invalid]], tx: Any) -> None:
    """Only there so that a route accepts invalid messages."""


ROUTES = (Route(tally, (PaymentCaptured,)), Route(voided, (PaymentVoided,), accept_invalid=True))


def build(settings: ServiceSettings, routes: Sequence[Route] = ROUTES) -> Service[Store, ServiceSettings]:
    """The service; its schema is made by `tallying`, so nothing is checked at its start."""
    service = Service(name="tally", settings=settings, metadata=metadata, store=Store, routes=routes)

    async def as_it_is() -> Schema:
        return Schema("tally", "tally")

    service.schema = as_it_is  # type: ignore[method-assign]
    return service


async def create_schema(url: str) -> None:
    """Make the tables unless they exist."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()


@asynccontextmanager
async def tallying(
    platform: Platform,
    *,
    prefix: str,
    database_url: str | None = None,
    roles: Sequence[str] = ROLES,
    change: Callable[[Service[Any, Any]], None] | None = None,
    **overrides: Any,
) -> AsyncIterator[Running]:
    """The tally service, running in this event loop."""
    url = database_url or platform.create_database("tally")
    await create_schema(url)
    defaults: dict[str, Any] = {
        "database_url": url,
        "kafka": platform.kafka,
        "topic_prefix": prefix,
        "http_port": 0,
        "progress_seconds": 0.1,
        "session_timeout_ms": 6_000,
        "drain_seconds": 10.0,
    }
    service = build(ServiceSettings(**(defaults | overrides)))
    if change is not None:
        change(service)
    async with service.running(roles):
        # The port is known only once it runs.
        client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.server.port}", timeout=30)
        async with client as http:
            await until(lambda: all(service.readiness().values()) and service.readiness(), "tally is ready")
            if "consumer" in roles:
                await until(service.source.assignment, "tally has partitions")
            yield Running(service, http, url, platform.kafka)


async def sums(running: Running) -> dict[str, int]:
    """Order id -> what was counted."""
    async with running.service.engine.connect() as connection:
        rows = await connection.execute(text("SELECT order_id, total FROM tallies"))
        return {row.order_id: row.total for row in rows}
