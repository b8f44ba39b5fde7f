# ruff: noqa: S608 - the only values put into SQL text are constants of this file
"""The way out, second half: outbox rows reach the broker in order, at least once.

What is promised: a committed row is sent until the broker acknowledges it; rows of one key reach their
partition in the order of their ids, copies apart. One relay leads a shard at a time; a second one that
believes it leads can only send copies, in the same order, which inboxes drop.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import orjson
import psycopg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2
from psycopg import AsyncConnection

from shared.db.engine import connect_alone
from shared.messaging.retry import backoff
from shared.telemetry.metrics import Metrics
from shared.telemetry.tracing import Tracing

log = structlog.get_logger(__name__)

_LOCK_CLASS = 0x6F6D73  # "oms": our class of advisory locks in a service's own database
_PAGE_ROWS = 1_000
_PAGE_BYTES = 8 * 1024 * 1024
_BATCH_BYTES = 512 * 1024
_SEND_SECONDS = 30.0
_IDLE_SESSION_SECONDS = 10
_HASHES_KEPT = 50_000

# Rows of one page, oldest first, as many as fit the memory we give to a page; always at least one.
_READ = f"""
SELECT id, topic, key, headers, body, created_at FROM (
    SELECT id, topic, key, headers, body, created_at,
           sum(octet_length(body)) OVER (ORDER BY id) - octet_length(body) AS bytes_before
    FROM (SELECT * FROM outbox WHERE shard = %s ORDER BY id LIMIT {_PAGE_ROWS}) page
) sized WHERE bytes_before < {_PAGE_BYTES} ORDER BY id
"""
_DELETE = "DELETE FROM outbox WHERE id = ANY(%b::bigint[])"

Row = tuple[int, str, str, bytes, bytes, Any]


class Relay:
    """Publishes one shard of a service's outbox for as long as it holds the shard's lock.

    Lock, reads and deletes use one connection, which the server closes when its client falls silent: a
    frozen leader loses its lock. No transaction is open while the broker is asked.
    """

    def __init__(
        self,
        *,
        database_url: str,
        bootstrap: str,
        service: str,
        shard: int,
        metrics: Metrics,
        tracing: Tracing,
        idle_poll_seconds: float,
        producer: type[AIOKafkaProducer] = AIOKafkaProducer,
    ) -> None:
        self.leader = False
        self._database_url = database_url
        self._bootstrap = bootstrap
        self._service = service
        self.shard = shard
        self._metrics = metrics
        self._tracing = tracing
        self._idle_poll_seconds = idle_poll_seconds
        self._producer_class = producer
        self._producer: AIOKafkaProducer | None = None
        self._committed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._hashes: dict[str, int] = {}

    def wake(self) -> None:
        """Something was committed to the outbox: look at once instead of at the next poll."""
        self._committed.set()

    def stop(self) -> None:
        """Send what is there, then end `run`."""
        self._stopping.set()
        self._committed.set()

    async def run(self) -> None:
        """Lead the shard whenever nobody else does, until stopped. Survives the loss of database and broker."""
        pauses = backoff()
        while not self._stopping.is_set():
            try:
                connection = await connect_alone(
                    self._database_url,
                    application=f"oms-{self._service}-relay",
                    idle_timeout_seconds=_IDLE_SESSION_SECONDS,
                )
                async with connection:
                    if await self._lead(connection):
                        pauses = backoff()
            except (psycopg.Error, KafkaError, OSError, TimeoutError) as error:
                if not self._stopping.is_set():
                    pause = next(pauses)
                    self._metrics.outbox_publish_errors.inc()
                    log.warning("relay interrupted", shard=self.shard, error=repr(error)[:300], pause=round(pause, 2))
                    await self._pause(pause)
            finally:
                self.leader = False
                self._metrics.outbox_leader.labels(str(self.shard)).set(0)
        await self._close_producer()

    async def _lead(self, connection: AsyncConnection[Any]) -> bool:
        """Become leader and relay until stopped; True when this process led."""
        while not self._stopping.is_set():
            cursor = await connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (_LOCK_CLASS, self.shard))
            row = await cursor.fetchone()
            if row and row[0]:
                break
            await self._pause(1.0)
        else:
            return False
        self.leader = True
        self._metrics.outbox_leader.labels(str(self.shard)).set(1)
        log.info("relay leads", shard=self.shard)
        quiet_polls = 0
        while True:
            self._committed.clear()
            rows: list[Row] = await self._read(connection)
            if rows:
                await self._publish(connection, rows)
                quiet_polls = 0
            elif self._stopping.is_set():
                return True
            else:
                # Busy: look again within milliseconds, for rows other processes wrote; idle: rarely.
                quiet_polls += 1
                await self._pause(min(self._idle_poll_seconds, 0.002 * quiet_polls))

    async def _read(self, connection: AsyncConnection[Any]) -> list[Row]:
        cursor = connection.cursor(binary=True)
        await cursor.execute(_READ, (self.shard,), prepare=True)
        return await cursor.fetchall()

    async def _publish(self, connection: AsyncConnection[Any], rows: Sequence[Row]) -> None:
        """Send a page, one batch per partition, and delete what the broker has.

        A partition whose batch fails keeps its rows, and the next page begins with them. Raises when
        anything failed, after deleting the rest, so that the caller backs off with a new producer.
        """
        started = time.perf_counter()
        producer = await self._started_producer()
        chosen = await self._batches(producer, rows)
        batches = []
        for (topic, partition), taken in chosen.items():
            future = await producer.send_batch(taken.builder, topic, partition=partition)
            batches.append((taken, future))
        pending = {future for _, future in batches}
        deadline = time.monotonic() + _SEND_SECONDS
        while pending and time.monotonic() < deadline:
            _, pending = await asyncio.wait(pending, timeout=_IDLE_SESSION_SECONDS / 4)
            if pending:
                # Keeps the session (and with it the lock) alive while the broker is slow.
                await connection.execute("SELECT 1")
        sent = [taken for taken, future in batches if future.done() and future.exception() is None]
        ids = [row_id for taken in sent for row_id in taken.ids]
        if ids:
            await connection.cursor().execute(_DELETE, (ids,), prepare=True)
        self._trace(sent, started)
        self._metrics.outbox_publish_seconds.observe(time.perf_counter() - started)
        if len(sent) < len(batches):
            await self._close_producer()
            failures = [repr(future.exception()) for _, future in batches if future.done() and future.exception()]
            raise KafkaError(f"{len(batches) - len(sent)} of {len(batches)} batches not acknowledged: {failures[:3]}")

    async def _batches(self, producer: AIOKafkaProducer, rows: Sequence[Row]) -> Mapping[tuple[str, int], "_Batch"]:
        batches: dict[tuple[str, int], _Batch] = {}
        counts = {topic: len(await producer.partitions_for(topic)) for topic in {row[1] for row in rows}}
        for row_id, topic, key, headers, body, _ in rows:
            partition = self._hash(key) % counts[topic]
            taken = batches.get((topic, partition))
            if taken is None:
                taken = batches[topic, partition] = _Batch(topic, producer.create_batch())
            taken.append(row_id, key.encode(), body, orjson.loads(headers))
        return batches

    def _hash(self, key: str) -> int:
        # The same choice as Kafka's own clients make, so that other systems may produce beside us. It is
        # slow in Python and an order's key comes back several times.
        found = self._hashes.get(key)
        if found is None:
            if len(self._hashes) >= _HASHES_KEPT:
                self._hashes.clear()
            found = self._hashes[key] = murmur2(key.encode()) & 0x7FFFFFFF
        return found

    async def _started_producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = self._producer_class(
                bootstrap_servers=self._bootstrap,
                client_id=f"oms-{self._service}-relay",
                acks="all",
                max_batch_size=_BATCH_BYTES,
                max_request_size=2 * 1024 * 1024,
                compression_type="zstd",
                request_timeout_ms=int(_SEND_SECONDS * 1000),
            )
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    async def _close_producer(self) -> None:
        # A producer that failed is replaced: its unsent batches would otherwise overtake the rows sent again.
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(Exception):
                await asyncio.wait_for(producer.stop(), 5)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._committed.wait(), seconds)

    def _trace(self, sent: Sequence["_Batch"], started: float) -> None:
        if not self._tracing.enabled:
            return
        start_ns = time.time_ns() - int((time.perf_counter() - started) * 1e9)
        for batch in sent:
            attributes = {"messaging.batch.message_count": len(batch.ids)}
            span = self._tracing.batch_span(f"send {batch.topic}", batch.traces, attributes, start_ns)
            if span is not None:
                span.end()


class _Batch:
    """The rows of one partition that go in one request; what does not fit waits for the next page."""

    def __init__(self, topic: str, builder: Any) -> None:
        self.topic = topic
        self.builder = builder
        self.ids: list[int] = []
        self.traces: list[str] = []
        self._full = False

    def append(self, row_id: int, key: bytes, body: bytes, headers: Sequence[tuple[str, str]]) -> None:
        # Once one row did not fit no later one may go either: it would overtake.
        if self._full:
            return
        encoded = [(name, value.encode()) for name, value in headers]
        if self.builder.append(key=key, value=body, timestamp=None, headers=encoded) is None:
            self._full = True
            return
        self.ids.append(row_id)
        self.traces += [value for name, value in headers if name == "traceparent"]


