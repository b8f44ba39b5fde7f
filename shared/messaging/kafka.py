"""The one place that speaks to FastStream about consuming: settings, acknowledgement, rebalances, lag.

The traps this file exists for: a default acknowledgement that loses messages, parsing that loses a batch
for one strange header, rebalances that do not wait for a batch in its transaction, a reset policy that
skips what retention removed, and consumers that hang without a word.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.exceptions import NackMessage
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage

from shared.messaging.consumer import Interrupted, Waiting
from shared.messaging.decode import Record

log = structlog.get_logger(__name__)

_CLOCK_MARGIN = timedelta(seconds=1)
# A fetch answer says what the log held when the broker wrote it, a moment before it was received.


class MessagesLost(Exception):
    """Retention removed messages that this consumer had not read. Names them; a person must decide."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far one partition was read: everything appended before `until` was handled, `next_offset` is next."""

    topic: str
    partition: int
    until: datetime
    next_offset: int


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
        session_timeout_ms: int,
        drain_seconds: float,
        client_id: str,
    ) -> None:
        self.fatal: MessagesLost | None = None
        self.rebalances = 0
        self._topics = [prefix + topic for topic in topics]
        self._prefix = prefix
        self._group = group
        self._handle = handle
        self._waiting = waiting
        self._positions_known = positions_known
        self._drain_seconds = drain_seconds
        self._idle = asyncio.Event()
        self._idle.set()
        self._done: dict[TopicPartition, tuple[int, int]] = {}  # next offset, append time (ms) of the last record
        self._moved_at = time.monotonic()
        self._broker = KafkaBroker(
            bootstrap,
            client_id=client_id,
            allow_auto_create_topics=False,
            consumer_only=True,
            graceful_timeout=drain_seconds,
            request_timeout_ms=max(40_000, session_timeout_ms * 3),
            apply_types=False,
            logger=None,
        )
        self._subscriber = self._broker.subscriber(
            *self._topics,
            batch=True,
            group_id=group,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.NACK_ON_ERROR,
            max_records=max_records,
            batch_timeout_ms=10,
            session_timeout_ms=session_timeout_ms,
            # A revocation waits for the batch in its transaction, so others must wait for us longer than that.
            rebalance_timeout_ms=int((drain_seconds + 15) * 1000),
            max_poll_interval_ms=24 * 3600 * 1000,
            partition_assignment_strategy=(RangePartitionAssignor,),
            listener=_Listener(self),
            parser=self._parse,
            decoder=_records,
            no_reply=True,
        )
        self._subscriber(self._consume)

    async def start(self) -> None:
        """Join the group and begin to read. Raises KafkaError while the broker is away."""
        await self._broker.start()

    async def stop(self) -> None:
        """Finish the batch in its transaction, commit it, leave the group. A waiting retry is given up."""
        self._waiting.interrupt.set()
        await self._broker.stop()

    @property
    def consumer(self) -> AIOKafkaConsumer | None:
        """The client below, while there is one."""
        return self._subscriber.consumer

    @property
    def busy(self) -> bool:
        """Whether a batch is being handled."""
        return not self._idle.is_set()

    def assignment(self) -> set[TopicPartition]:
        """The partitions this process reads."""
        return set(self.consumer.assignment()) if self.consumer is not None else set()

    def lag(self) -> dict[tuple[str, int], tuple[int, float]]:
        """Per partition: records not handled yet and the age in seconds of the newest handled one (0 when none wait).

        Read from memory; as fresh as the last fetch.
        """
        now_ms = time.time() * 1000
        lag: dict[tuple[str, int], tuple[int, float]] = {}
        for partition in self.assignment():
            next_offset, appended_ms = self._done.get(partition, (None, None))
            highwater = self._highwater(partition)
            if next_offset is None or highwater is None:
                continue
            behind = max(0, highwater - next_offset)
            age = (now_ms - appended_ms) / 1000 if behind and appended_ms else 0.0
            lag[self._own(partition)] = (behind, max(0.0, age))
        return lag

    def positions(self) -> list[Position]:
        """How far every assigned partition was consumed: lower bounds, to be stored for deadlines."""
        found = []
        for partition in self.assignment():
            next_offset, appended_ms = self._done.get(partition, (None, None))
            if next_offset is None:
                continue
            until = datetime.fromtimestamp((appended_ms or 0) / 1000, UTC)
            polled_ms = self._polled_ms(partition)
            if polled_ms and self._highwater(partition) == next_offset:
                until = max(until, datetime.fromtimestamp(polled_ms / 1000, UTC) - _CLOCK_MARGIN)
            topic, number = self._own(partition)
            found.append(Position(topic, number, until, next_offset))
        return found

    async def unread_while_standing_still(self) -> int:
        """Records that wait although nothing moves, asked of the broker itself. Raises KafkaError when it is away."""
        consumer = self.consumer
        if consumer is None:
            return 0
        assigned = self.assignment()
        if not assigned:
            await consumer.topics()
            return 1
        ends = await consumer.end_offsets(list(assigned))
        return sum(max(0, end - self._done.get(partition, (end, 0))[0]) for partition, end in ends.items())

    @property
    def seconds_since_movement(self) -> float:
        """Since a batch was last settled or partitions were assigned."""
        return time.monotonic() - self._moved_at

    @property
    def task_died(self) -> bool:
        """Whether the loop that reads has ended although nobody stopped it."""
        tasks = getattr(self._subscriber, "tasks", [])
        return bool(self._subscriber.running and tasks and all(task.done() for task in tasks))

    async def _parse(self, records: tuple[ConsumerRecord, ...]) -> KafkaAckableMessage:
        # FastStream's own parser decodes every header and, when one is not UTF-8, loses the whole batch.
        return KafkaAckableMessage(
            body=b"", headers={}, raw_message=records, consumer=self._subscriber.consumer, message_id="", reply_to=""
        )

    async def _consume(self, records: tuple[ConsumerRecord, ...]) -> None:
        self._idle.clear()
        try:
            await self._handle([self._record(record) for record in records])
        except Interrupted as interrupted:
            raise NackMessage from interrupted
        except Exception:
            # Not a bad message (those are parked): a fault of ours or of parking itself. Come again, slowly.
            log.exception("batch failed", records=len(records))
            await asyncio.sleep(1)
            raise
        finally:
            self._idle.set()
        for record in records:
            self._done[TopicPartition(record.topic, record.partition)] = (record.offset + 1, record.timestamp)
        self._moved_at = time.monotonic()

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

    def _own(self, partition: TopicPartition) -> tuple[str, int]:
        return partition.topic[len(self._prefix) :], partition.partition

    def _highwater(self, partition: TopicPartition) -> int | None:
        try:
            highwater: int | None = self.consumer.highwater(partition) if self.consumer else None
        except (IllegalStateError, AssertionError):
            return None
        return highwater

    def _polled_ms(self, partition: TopicPartition) -> int | None:
        try:
            polled: int | None = self.consumer.last_poll_timestamp(partition) if self.consumer else None
        except (IllegalStateError, AssertionError):
            return None
        return polled

    async def revoked(self) -> None:
        """Before partitions go to others: give up waiting, let the batch in its transaction end and commit."""
        self._waiting.interrupt.set()
        try:
            await asyncio.wait_for(self._idle.wait(), self._drain_seconds)
            # The lock is released after the commit of the offsets, which follows the end of the handler.
            await self._subscriber.lock.wait_release(self._drain_seconds)  # type: ignore[attr-defined]
        except TimeoutError:
            log.error("batch did not end before its partitions were revoked", seconds=self._drain_seconds)

    async def assigned(self, partitions: set[TopicPartition]) -> None:
        """Find where to go on; notice when retention has removed what was not read."""
        self.rebalances += 1
        self._moved_at = time.monotonic()
        consumer = self.consumer
        if consumer is None or not partitions:
            self._waiting.interrupt.clear()
            return
        first = await consumer.beginning_offsets(list(partitions))
        remembered = await self._positions_known()
        self._done = {}
        lost = []
        for partition in sorted(partitions):
            committed = await consumer.committed(partition)
            known = committed if committed is not None else remembered.get(self._own(partition))
            start = first[partition] if known is None else known
            if start < first[partition]:
                lost.append(f"{partition.topic}[{partition.partition}] offsets {start} to {first[partition] - 1}")
                continue
            if committed is None and known is not None:
                consumer.seek(partition, known)
            self._done[partition] = (start, 0)
        if lost:
            self.fatal = MessagesLost(
                f"group {self._group} had not read what retention removed: {'; '.join(lost)}. "
                "Restore what is missing from its producers, then commit the group's offsets by hand."
            )
            consumer.pause(*partitions)
            return
        self._waiting.interrupt.clear()
        log.info("assigned", partitions=len(partitions), group=self._group)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, source: KafkaSource) -> None:
        self._source = source

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._source.revoked()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self._source.assigned(assigned)


async def _records(message: Any) -> Any:
    return message.raw_message


__all__ = ["KafkaError", "KafkaSource", "MessagesLost", "Position"]
