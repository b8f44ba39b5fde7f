"""The one place that speaks to FastStream about consuming: settings, acknowledgement, rebalances, lag.

The traps this file exists for: a default acknowledgement that loses messages, parsing that loses a batch
for one strange header, rebalances that do not wait for a batch in its transaction, a reset policy that
skips what retention removed, and consumers that hang without a word.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.exceptions import NackMessage
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage

from shared.messaging.any_header import fetch
from shared.messaging.client import Batch
from shared.messaging.consumer import Interrupted, Waiting
from shared.messaging.decode import Record
from shared.messaging.progress import Lag, Position, Progress
from shared.messaging.retry import backoff
from shared.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)


class MessagesLost(Exception):
    """Retention removed messages that this consumer had not read. Names them; a person must decide."""


class KafkaSource:
    """Feeds batches of records to `handle` and commits offsets after it returned.

    One consumer for all topics of a service; the group is the service. `positions_known` gives offsets
    the database remembers, for a group whose offsets the broker forgot. A fatal finding (messages lost to
    retention) is kept in `fatal` for the runtime to stop on.
    """

    def __init__(
        self,
        *,
        bootstrap: str,
        group: str,
        topics: Sequence[str],
        prefix: str,
        handle: Callable[[Sequence[Record]], Awaitable[None]],
        waiting: Waiting,
        positions_known: Callable[[], Awaitable[Mapping[tuple[str, int], int]]],
        max_records: int,
        gather_seconds: float,
        session_timeout_ms: int,
        drain_seconds: float,
        client_id: str,
        metrics: Metrics,
    ) -> None:
        self.fatal: MessagesLost | None = None
        self.rebalances = 0
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._group = group
        self._handle = handle
        self._waiting = waiting
        self._positions_known = positions_known
        self._max_records = max_records
        self._gather_seconds = gather_seconds
        self._drain_seconds = drain_seconds
        self._metrics = metrics
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._progress = Progress(prefix)
        self._opening: asyncio.Task[None] | None = None
        self._revoked_at = self._moved_at = self._polled_at = time.monotonic()
        self._client_patience = drain_seconds + 40
        # A revocation waits for the batch in its transaction, so others must wait for us longer than that.
        rebalance_ms = int((drain_seconds + 15) * 1000)
        self._broker = KafkaBroker(
            bootstrap,
            client_id=client_id,
            allow_auto_create_topics=False,
            consumer_only=True,
            graceful_timeout=drain_seconds,
            # Longer than the longest join, else a rebalance that waits for somebody's batch never ends.
            request_timeout_ms=rebalance_ms + 5_000,
            apply_types=False,
            logger=logging.getLogger("faststream"),
        )
        self._subscriber = self._broker.subscriber(
            *(prefix + topic for topic in topics),
            batch=True,
            group_id=group,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.NACK_ON_ERROR,
            session_timeout_ms=session_timeout_ms,
            rebalance_timeout_ms=rebalance_ms,
            max_poll_interval_ms=24 * 3600 * 1000,
            partition_assignment_strategy=(RangePartitionAssignor,),
            listener=_Listener(self),
            parser=self._parse,
            decoder=_records,
            no_reply=True,
        )
        self._subscriber(self._consume)
        # FastStream's own poll says nothing between taking records and handing them over, and sleeps between polls.
        self._subscriber.get_msg = self._poll  # type: ignore[method-assign]

    # --- Life -----------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Join the group and begin to read. Raises KafkaError while the broker is away."""
        self._revoked_at = self._polled_at = time.monotonic()
        try:
            await self._broker.start()
        except KafkaError:
            await self._broker.stop()
            raise

    async def stop(self) -> None:
        """Finish the batch in its transaction, commit it, leave the group. A waiting retry is given up."""
        self._stopping = True
        self._waiting.interrupt.set()
        await self._stop_opening()
        await self._broker.stop()

    @property
    def consumer(self) -> AIOKafkaConsumer | None:
        """The client below, while there is one."""
        return self._subscriber.consumer

    @property
    def busy(self) -> bool:
        """Whether a batch is in hand: taken from the client, its offsets not yet committed."""
        return not self._idle.is_set()

    def assignment(self) -> set[TopicPartition]:
        """The partitions this process reads."""
        return set(self.consumer.assignment()) if self.consumer is not None else set()

    @property
    def open(self) -> bool:
        """Whether the partitions assigned are read. None assigned is well, too: more processes than partitions."""
        return bool(self._progress.done) or (self.rebalances > 0 and not self.assignment())

    # --- One batch ------------------------------------------------------------------------------------

    async def _poll(self, consumer: AIOKafkaConsumer) -> tuple[ConsumerRecord, ...]:
        # That the loop asks again says that the batch before is settled and its offsets are committed.
        self._progress.in_hand = {}
        self._idle.set()
        try:
            starts_at = self._progress.next_offsets()
            batches = await fetch(consumer, starts_at, self._max_records, self._gather_seconds)
            if batches:
                self._idle.clear()
            for partition in batches.keys() - self._progress.done.keys():
                consumer.seek(partition, batches.pop(partition)[0].offset)  # Handed out before it was opened.
            starts = {partition: records[0].offset for partition, records in batches.items()}
            passed = {} if batches else await self._passed_over(consumer)
            if not await self._nothing_lost(consumer, starts or passed):
                return ()
        except Exception:
            # The client forgets records that it had unpacked before it met one it cannot read: read them again.
            for partition, done in self._progress.done.items():
                with suppress(IllegalStateError):
                    consumer.seek(partition, done.next_offset)
            self._idle.set()
            raise
        self._polled_at = time.monotonic()
        self._progress.passed_over(passed)
        self._progress.in_hand = batches
        return tuple(chain(*batches.values()))

    async def _passed_over(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, int]:
        """Partitions read further than what was handed out: markers of transactions take offsets, too."""
        moved = {}
        for partition, done in list(self._progress.done.items()):
            if (self._highwater(partition) or 0) > done.next_offset:
                with suppress(IllegalStateError, TimeoutError):
                    position = await asyncio.wait_for(consumer.position(partition), 0.1)
                    if position > done.next_offset:
                        moved[partition] = position
        return {
            partition: position for partition, position in moved.items() if partition in self._progress.done
        }

    async def _nothing_lost(self, consumer: AIOKafkaConsumer, starts: Mapping[TopicPartition, int]) -> bool:
        """Whether offsets that were jumped over were empty. What retention removed unread is fatal."""
        expected = self._progress.jumps(starts)
        if not expected:
            return True
        first = await consumer.beginning_offsets(list(expected))
        return not self._lost(
            consumer, {p: (offset, first[p]) for p, offset in expected.items() if offset < first[p]}
        )

    def _lost(self, consumer: AIOKafkaConsumer, lost: Mapping[TopicPartition, tuple[int, int]]) -> bool:
        if not lost:
            return False
        named = [
            f"{p.topic}[{p.partition}] offsets {start} to {end - 1}"
            for p, (start, end) in sorted(lost.items())
        ]
        self.fatal = MessagesLost(
            f"group {self._group} had not read what retention removed: {'; '.join(named)}. "
            "Restore what is missing from its producers, then commit the group's offsets by hand."
        )
        consumer.pause(*self.assignment())
        return True

    async def _parse(self, records: tuple[ConsumerRecord, ...]) -> KafkaAckableMessage:
        # FastStream's own parser decodes every header and, when one is not UTF-8, loses the whole batch.
        return Batch(
            body=b"",
            headers={},
            raw_message=records,
            consumer=self._subscriber.consumer,
            message_id="",
            reply_to="",
        )

    async def _consume(self, records: tuple[ConsumerRecord, ...]) -> None:
        try:
            await self._handle([self._record(record) for record in records])
        except Interrupted as interrupted:
            raise NackMessage from interrupted
        except Exception:
            # Not a bad message (those are parked): a fault of ours or of parking itself. Come again, slowly.
            log.exception("batch failed", records=len(records))
            await asyncio.sleep(1)
            raise
        self._moved_at = time.monotonic()
        self._progress.settled()

    def _record(self, record: ConsumerRecord) -> Record:
        return Record(
            topic=record.topic[len(self._prefix) :],
            partition=record.partition,
            offset=record.offset,
            timestamp_ms=record.timestamp,
            key=record.key,
            headers=record.headers,
            body=record.value,
        )

    # --- Rebalances -----------------------------------------------------------------------------------

    async def revoked(self) -> None:
        """Before partitions go to others: give up waiting, let the batch in its transaction end and commit."""
        self._revoked_at = time.monotonic()
        self._waiting.interrupt.set()
        await self._stop_opening()
        try:
            await asyncio.wait_for(self._idle.wait(), self._drain_seconds)
        except TimeoutError:
            log.error("batch did not end before its partitions were revoked", seconds=self._drain_seconds)
        self._progress.done = {}

    async def assigned(self, partitions: set[TopicPartition]) -> None:
        """Begin with new partitions, once it is known where."""
        self.rebalances += 1
        self._metrics.consumer_rebalances.labels(self._label).inc()
        self._moved_at = time.monotonic()
        if not self._stopping:
            self._waiting.interrupt.clear()
        consumer = self.consumer
        if consumer is not None and partitions:
            consumer.pause(*partitions)
            # Not awaited: no heartbeat is sent before this returns, and the database may be away for long.
            self._opening = asyncio.create_task(self._open(consumer, partitions))

    async def _open(self, consumer: AIOKafkaConsumer, partitions: set[TopicPartition]) -> None:
        for pause in backoff():
            try:
                if not await self._find_positions(consumer, partitions):
                    return
                break
            except Exception as error:
                log.warning("waiting for positions", error=repr(error)[:300], pause=round(pause, 2))
                await asyncio.sleep(pause)
        self._moved_at = time.monotonic()
        consumer.resume(*partitions)
        self._metrics.consumer_rebalance_seconds.labels(self._label).observe(
            time.monotonic() - self._revoked_at
        )
        log.info("assigned", partitions=len(partitions), group=self._group)

    async def _find_positions(self, consumer: AIOKafkaConsumer, partitions: set[TopicPartition]) -> bool:
        """Find where to go on; False when retention has removed what was not read."""
        ordered = sorted(partitions)
        first = await consumer.beginning_offsets(ordered)
        remembered = await self._positions_known()
        committed = await asyncio.gather(*(consumer.committed(partition) for partition in ordered))
        starts, lost = {}, {}
        for partition, offset in zip(ordered, committed, strict=True):
            known = remembered.get(self._own(partition))
            start = offset if offset is not None else known
            if start is not None and max(start, known or 0) < first[partition]:
                lost[partition] = (start, first[partition])
            starts[partition] = max(start or 0, first[partition])
            if offset is None:
                consumer.seek(partition, starts[partition])
        if self._lost(consumer, lost):
            return False
        self._progress.opened(starts)
        return True

    async def _stop_opening(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)

    # --- How far it is --------------------------------------------------------------------------------

    def lag(self) -> dict[tuple[str, int], Lag]:
        """Per partition what waits. Read from memory; as fresh as the last fetch."""
        return self._progress.lag(self._highwater)

    def positions(self) -> list[Position]:
        """How far every assigned partition was consumed: lower bounds, to be stored for deadlines."""
        return self._progress.positions(self._highwater, self._polled_ms)

    @property
    def seconds_since_movement(self) -> float:
        """Since a batch was last settled or partitions were opened."""
        return time.monotonic() - self._moved_at

    @property
    def task_died(self) -> bool:
        """Whether the loop that reads has ended although nobody stopped it."""
        tasks = getattr(self._subscriber, "tasks", [])
        return bool(self._subscriber.running and tasks and all(task.done() for task in tasks))

    async def standstill(self) -> str | None:
        """Why nothing moving is a fault, None when it is not. Raises KafkaError when the broker is away.

        Asks with a client of its own: the one that reads may be what is broken.
        """
        assigned = self.assignment()
        probe = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, group_id=None, request_timeout_ms=10_000)
        try:
            await probe.start()
            # Also so that the client is not stopped as soon as it started: it would cancel its caller with itself.
            await probe.topics()
            ends = await probe.end_offsets(list(assigned)) if assigned else {}
            if self.busy:
                return "a batch hangs"
            if not self.rebalances:
                return "no partitions were ever assigned"
            if time.monotonic() - self._polled_at > self._client_patience:
                return "the client gives no answer"
        finally:
            await probe.stop()
        unread = self._progress.unread(ends)
        return f"{unread} records are not read" if unread else None

    @property
    def _label(self) -> str:
        return self._group[len(self._prefix) :]

    def _own(self, partition: TopicPartition) -> tuple[str, int]:
        return partition.topic[len(self._prefix) :], partition.partition

    def _highwater(self, partition: TopicPartition) -> int | None:
        return self._asked(lambda consumer: consumer.highwater(partition))

    def _polled_ms(self, partition: TopicPartition) -> int | None:
        return self._asked(lambda consumer: consumer.last_poll_timestamp(partition))

    def _asked(self, question: Callable[[AIOKafkaConsumer], int | None]) -> int | None:
        try:
            return question(self.consumer) if self.consumer else None
        except (IllegalStateError, AssertionError):
            return None  # A partition that was just revoked.


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, source: KafkaSource) -> None:
        self._source = source

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._source.revoked()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self._source.assigned(assigned)


async def _records(message: Any) -> Any:
    return message.raw_message


__all__ = ["KafkaError", "KafkaSource", "Lag", "MessagesLost", "Position"]
