"""One service, or several, against the real Kafka and PostgreSQL: started in the test's own event loop.

    async with running(platform, "inventory", prefix=topic_prefix) as inventory, wire(platform, topic_prefix) as topics:
        await topics.say(order_placed)
        reserved = await topics.expect(StockReserved, lambda event: event.order_id == order_placed.order_id)
        await inventory.settled()

Nothing here waits for time: it waits for a state and fails loudly when that does not come.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeVar

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from sqlalchemy import text

from deploy.local import Platform
from shared.contracts.envelope import Event
from shared.contracts.registry import MODELS
from shared.db.ids import new_id
from shared.db.migrate import migrate
from shared.runtime.service import ROLES, Service
from shared.runtime.settings import ServiceSettings

E = TypeVar("E", bound=Event)

PATIENCE = 45.0
"""How long a state may take on the slowest machine before the test fails; no test is faster or slower for it."""


async def until(condition: Callable[[], Any | Awaitable[Any]], what: str, patience: float = PATIENCE) -> Any:
    """The first true value of `condition` (a function, may be async); fails naming `what` when it does not come."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"did not happen within {patience:.0f} s: {what}")
        await asyncio.sleep(0.02)


@dataclass
class Running:
    """A service that runs, its HTTP client, and its database."""

    service: Service[Any, Any]
    http: httpx.AsyncClient
    database_url: str
    bootstrap: str

    async def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        """Rows of the service's database, as they are committed now."""
        async with self.service.engine.connect() as connection:
            result = await connection.execute(text(sql), parameters)
            found = [dict(row) for row in result.mappings()] if result.returns_rows else []
            await connection.commit()
            return found

    async def settled(self) -> None:
        """Wait until everything said to the service is handled and everything it said is sent."""
        await until(self._quiet, f"{self.service.name} is quiet: no lag, empty outbox")

    async def _quiet(self) -> bool:
        group = self.service.settings.topic_prefix + self.service.name
        topics = [self.service.settings.topic_prefix + topic for topic in self.service.decoder.topics]
        if await unread(self.bootstrap, group, topics):
            return False
        return not await self.rows("SELECT 1 FROM outbox LIMIT 1")


async def unread(bootstrap: str, group: str, topics: Sequence[str]) -> int:
    """Records of `topics` that `group` has not committed."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        # Not `consumer.partitions_for_topic`: it knows only subscribed topics and says None of all others.
        cluster = await consumer._client.fetch_all_metadata()
        places = [
            TopicPartition(topic, number)
            for topic in topics
            for number in cluster.partitions_for_topic(topic)
        ]
        ends = await consumer.end_offsets(places)
        lag = 0
        for place, end in ends.items():
            lag += end - (await consumer.committed(place) or 0)
        return lag
    finally:
        await consumer.stop()


@asynccontextmanager
async def running(
    platform: Platform,
    name: str,
    *,
    prefix: str,
    database_url: str | None = None,
    roles: Sequence[str] = ROLES,
    change: Callable[[Service[Any, Any]], None] | None = None,
    **overrides: Any,
) -> AsyncIterator[Running]:
    """Service `name` on a database of its own (migrated), on the topics under `prefix`.

    `overrides` are settings; `change` may wrap parts of the service before it starts, to inject faults.
    """
    url = database_url or platform.create_database(name)
    metadata = import_module(f"services.{name}.store.tables").metadata
    await asyncio.to_thread(migrate, name, url, metadata)
    settings_class: type[ServiceSettings] = import_module(f"services.{name}.settings").Settings
    defaults: dict[str, Any] = {
        "database_url": url,
        "kafka": platform.kafka,
        "topic_prefix": prefix,
        "http_port": 0,
        "progress_seconds": 0.1,
        "session_timeout_ms": 6_000,
        "drain_seconds": 10.0,
    }
    service: Service[Any, Any] = import_module(f"services.{name}.app").build(
        settings_class(**(defaults | overrides))
    )
    if change is not None:
        change(service)
    async with service.running(roles):
        base = f"http://127.0.0.1:{service.server.port}"
        async with httpx.AsyncClient(base_url=base, timeout=30) as http:
            await until(lambda: all(service.readiness().values()) and service.readiness(), f"{name} is ready")
            if "consumer" in roles and service.routes:
                await until(service.source.assignment, f"{name} has partitions")
            yield Running(service, http, url, platform.kafka)


@dataclass
class Wire:
    """Another system on the topics: says events and hears everything."""

    producer: AIOKafkaProducer
    prefix: str
    heard: list[Event] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def say(
        self,
        event: Event,
        *,
        message_id: str | None = None,
        source: str = "/tests",
        traceparent: str | None = None,
        copies: int = 1,
    ) -> str:
        """Send an event as another system would; returns its message id."""
        message_id = message_id or new_id()
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", message_id.encode()),
            ("ce_type", event.ce_type().encode()),
            ("ce_source", source.encode()),
            ("content-type", b"application/json"),
        ]
        if traceparent:
            headers.append(("traceparent", traceparent.encode()))
        body = event.model_dump_json(exclude_none=True).encode()
        for _ in range(copies):
            await self.raw(event.topic, event.key().encode(), body, headers)
        return message_id

    async def raw(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]
    ) -> None:
        """Send exactly these bytes."""
        await self.producer.send_and_wait(self.prefix + topic, key=key, value=value, headers=list(headers))

    def all(self, model: type[E], where: Callable[[E], bool] = lambda _: True) -> list[E]:
        """Events of a type heard so far."""
        return [event for event in list(self.heard) if isinstance(event, model) and where(event)]

    async def expect(
        self, model: type[E], where: Callable[[E], bool] = lambda _: True, count: int = 1
    ) -> Any:
        """Wait for `count` events; returns the event, or the list when count > 1."""
        found = await until(
            lambda: (lambda events: events if len(events) >= count else None)(self.all(model, where)),
            f"{count} x {model.topic}; heard {[event.topic for event in self.heard][-20:]}",
        )
        return found[0] if count == 1 else found


@asynccontextmanager
async def wire(platform: Platform, prefix: str) -> AsyncIterator[Wire]:
    """Say and hear events on the topics under `prefix`, from their beginning."""
    producer = AIOKafkaProducer(bootstrap_servers=platform.kafka, acks="all", max_request_size=2_000_000)
    consumer = AIOKafkaConsumer(
        *(prefix + model.topic for model in MODELS.values()),
        bootstrap_servers=platform.kafka,
        auto_offset_reset="earliest",
        group_id=None,
    )
    await producer.start()
    await consumer.start()
    connection = Wire(producer, prefix)
    listening = asyncio.create_task(_listen(consumer, connection))
    try:
        yield connection
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await consumer.stop()
        await producer.stop()


async def _listen(consumer: AIOKafkaConsumer, connection: Wire) -> None:
    async for record in consumer:
        headers = {
            name: value.decode("utf-8", "replace") for name, value in record.headers if value is not None
        }
        model = MODELS.get(headers.get("ce_type", ""))
        if model is None or record.value is None:
            continue
        try:
            event = model.model_validate_json(record.value)
        except ValueError:
            continue  # Planted rubbish: the service's business, not the listener's.
        connection.heard.append(event)
        connection.headers.append(headers)
