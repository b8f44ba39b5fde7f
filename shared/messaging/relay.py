# ruff: noqa: S608 - the only values put into SQL text are constants of this file
"""The way out, second half: outbox rows reach the broker in order, at least once.

What is promised: a committed row is sent until the broker acknowledges it; rows of one key reach their
partition in the order of their ids, copies apart. One relay leads a shard at a time; a second one that
believes it leads can only send copies, in the same order, which inboxes drop.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import orjson
import psycopg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch
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
_COMPRESSED_BYTES = 4 * 1024
# A page is asked about and sent in less time than its session may be silent.
_METADATA_SECONDS = 3.0
_SEND_SECONDS = 10.0
_IDLE_SESSION_SECONDS = 15
_SOON_SECONDS = 0.02
_HASHES_KEPT = 50_000

# Rows of one page, oldest first, as many as fit the memory we give to a page; always at least one. A topic that
# is set aside is left out whole: order is promised per key within a topic.
_READ = f"""
SELECT id, topic, key, headers, body, created_at FROM (
    SELECT id, topic, key, headers, body, created_at,
           sum(octet_length(body)) OVER (ORDER BY id) - octet_length(body) AS bytes_before
    FROM (SELECT * FROM outbox WHERE shard = %s AND topic <> ALL(%s::text[]) ORDER BY id LIMIT {_PAGE_ROWS}) page
) sized WHERE bytes_before < {_PAGE_BYTES} ORDER BY id
"""
_DELETE = "DELETE FROM outbox WHERE id = ANY(%b::bigint[])"

Row = tuple[int, str, str, bytes, bytes, Any]


class Relay:
    """Publishes one shard of a service's outbox for as long as it holds the shard's lock.

    Lock, reads and deletes use one connection, which the server closes when its client falls silent: a
    frozen leader loses its lock. No transaction is open while the broker is asked. A topic that does not
    exist, or of which a partition fails while others work, is set aside for a while, so that it holds up
    nothing but itself.
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
        self._aside: dict[
            str, tuple[float, Iterator[float]]
        ] = {}  # topic -> until when (monotonic), next pauses

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
                    await self._lead(connection)
            except (psycopg.Error, KafkaError, OSError, TimeoutError) as error:
                if not self._stopping.is_set():
                    pause = next(pauses)
                    self._metrics.outbox_publish_errors.inc()
                    log.warning(
                        "relay interrupted", shard=self.shard, error=repr(error)[:300], pause=round(pause, 2)
                    )
                    await _until(self._stopping, pause)
            finally:
                if self.leader:
                    pauses = backoff()
                self.leader = False
                self._metrics.outbox_leader.labels(str(self.shard)).set(0)
        await self._close_producer()

    async def _lead(self, connection: AsyncConnection[Any]) -> None:
        """Become leader and relay until stopped."""
        while not self._stopping.is_set():
            cursor = await connection.execute(
                "SELECT pg_try_advisory_lock(%s, %s)", (_LOCK_CLASS, self.shard)
            )
            row = await cursor.fetchone()
            if row and row[0]:
                break
            await _until(self._stopping, 1.0)
        else:
            return
        await self._started_producer()
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
                return
            else:
                # What this process commits wakes it; only rows that other processes wrote wait for a look: soon
                # after there was something to send, then ever more rarely.
                pause = _SOON_SECONDS * 2 ** min(quiet_polls, 10)
                quiet_polls += 1
                await _until(self._committed, min(self._idle_poll_seconds, pause))

    async def _read(self, connection: AsyncConnection[Any]) -> list[Row]:
        cursor = connection.cursor(binary=True)
        now = time.monotonic()
        aside = [topic for topic, (until, _) in self._aside.items() if until > now]
        await cursor.execute(_READ, (self.shard, aside), prepare=True)
        return await cursor.fetchall()

    async def _publish(self, connection: AsyncConnection[Any], rows: Sequence[Row]) -> None:
        """Send a page, one batch per partition, and delete what the broker has.

        Rows of a batch that fails stay and begin a later page. When every batch failed the broker is at
        fault and this raises, so that the caller backs off; else the failing topics are set aside. Either
        way the producer is replaced: its unsent batches would otherwise overtake the rows sent again.
        """
        started = time.perf_counter()
        producer = await self._started_producer()
        batches = await self._batches(producer, rows)
        sending = {asyncio.create_task(_send(producer, batch)): batch for batch in batches}
        done, late = await asyncio.wait(sending, timeout=_SEND_SECONDS) if sending else (set(), set())
        for task in late:
            task.cancel()
        failed = {sending[task]: task.exception() for task in done if task.exception() is not None}
        failed |= {
            sending[task]: TimeoutError(f"not acknowledged within {_SEND_SECONDS:.0f} s") for task in late
        }
        sent = [batch for batch in batches if batch not in failed]
        ids = [row_id for batch in sent for row_id in batch.ids]
        if ids:
            await connection.cursor().execute(_DELETE, (ids,), prepare=True)
        for topic in {batch.topic for batch in sent} - {batch.topic for batch in failed}:
            self._aside.pop(topic, None)
        self._trace(sent, started)
        self._metrics.outbox_publish_seconds.observe(time.perf_counter() - started)
        if failed:
            await self._close_producer()
            if not sent:
                raise KafkaError(
                    f"no batch of {len(batches)} was acknowledged: {next(iter(failed.values()))!r}"
                )
            for topic, error in {batch.topic: error for batch, error in failed.items()}.items():
                self._set_aside(topic, repr(error))

    async def _batches(self, producer: AIOKafkaProducer, rows: Sequence[Row]) -> list["_Batch"]:
        topics = {row[1] for row in rows}
        counts = dict(
            zip(topics, await asyncio.gather(*(_partitions(producer, t) for t in topics)), strict=True)
        )
        by_partition: dict[tuple[str, int], list[Row]] = {}
        for row in rows:
            _, topic, key, *_ = row
            if counts[topic]:
                by_partition.setdefault((topic, self._hash(key) % counts[topic]), []).append(row)
        for topic, count in counts.items():
            if not count:
                self._set_aside(topic, "the broker knows no such topic, or not to us")
        return [_Batch(topic, partition, found) for (topic, partition), found in by_partition.items()]

    def _set_aside(self, topic: str, error: str) -> None:
        _, pauses = self._aside.get(topic, (0.0, backoff(first=1.0, longest=30.0)))
        pause = next(pauses)
        self._aside[topic] = (time.monotonic() + pause, pauses)
        self._metrics.outbox_publish_errors.inc()
        remedy = "create the topic (make topics) or mend its partitions; its messages wait in the outbox"
        log.error("topic set aside", topic=topic, error=error[:300], pause=round(pause, 1), remedy=remedy)

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
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(Exception):
                await asyncio.wait_for(producer.stop(), 5)

    def _trace(self, sent: Sequence["_Batch"], started: float) -> None:
        if not self._tracing.enabled:
            return
        start_ns = time.time_ns() - int((time.perf_counter() - started) * 1e9)
        for batch in sent:
            attributes = {"messaging.batch.message_count": len(batch.ids)}
            span = self._tracing.batch_span(f"send {batch.topic}", batch.traces, attributes, start_ns)
            if span is not None:
                span.end()


async def _until(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


async def _partitions(producer: AIOKafkaProducer, topic: str) -> int:
    """How many partitions a topic has; 0 when there is no such topic. Raises KafkaError while the broker is away."""
    try:
        return len(await asyncio.wait_for(producer.partitions_for(topic), _METADATA_SECONDS))
    except (UnknownTopicOrPartitionError, TopicAuthorizationFailedError, TimeoutError):
        return 0


async def _send(producer: AIOKafkaProducer, batch: "_Batch") -> None:
    await (await producer.send_batch(batch.builder, batch.topic, partition=batch.partition))


class _Batch:
    """The rows of one partition that go in one request; what does not fit waits for the next page."""

    def __init__(self, topic: str, partition: int, rows: Sequence[Row]) -> None:
        self.topic = topic
        self.partition = partition
        # To compress a message or two costs every side more than the bytes that it saves.
        small = sum(len(row[4]) for row in rows) < _COMPRESSED_BYTES
        self.builder = BatchBuilder(_BATCH_BYTES, 0 if small else DefaultRecordBatch.CODEC_ZSTD)
        self.ids: list[int] = []
        self.traces: list[str] = []
        for row_id, _, key, headers, body, _ in rows:
            # Once one row does not fit no later one may go either: it would overtake.
            if not self._append(row_id, key.encode(), body, orjson.loads(headers)):
                break

    def _append(self, row_id: int, key: bytes, body: bytes, headers: Sequence[tuple[str, str]]) -> bool:
        encoded = [(name, value.encode()) for name, value in headers]
        if self.builder.append(key=key, value=body, timestamp=None, headers=encoded) is None:
            return False
        self.ids.append(row_id)
        self.traces += [value for name, value in headers if name == "traceparent"]
        return True
