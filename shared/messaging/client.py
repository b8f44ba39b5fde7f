"""Where the Kafka client and FastStream do otherwise than we need; importing this mends it for the whole process."""

import asyncio
import time
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import CommitFailedError, KafkaConnectionError
from faststream.kafka.message import KafkaAckableMessage
from faststream.message import StreamMessage

log = structlog.get_logger(__name__)


class Batch(KafkaAckableMessage):
    """Records taken together. Acknowledging them commits their partitions and no others.

    FastStream's own commits all assigned partitions, a hundred and more, for each of which the broker then
    writes a record: several times the work, for every batch.
    """

    consumer: AIOKafkaConsumer

    async def ack(self) -> None:
        """Commit the offset after the last record of each partition."""
        if not self.committed:
            last = {TopicPartition(one.topic, one.partition): one.offset + 1 for one in self.raw_message}
            try:
                await self.consumer.commit(last)
            except CommitFailedError:
                # As when the process was frozen: whoever has the partitions now reads it again, and inboxes know it.
                log.warning(
                    "offsets not committed", reason="partitions went to others", records=len(self.raw_message)
                )
        await StreamMessage.ack(self)


_send = AIOKafkaConnection.send


def _send_or_fail(self: AIOKafkaConnection, request: Any, expect_response: bool = True) -> Any:
    try:
        return _send(self, request, expect_response=expect_response)
    except RuntimeError as error:
        self.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(f"connection was reset: {error}") from error


# Writing to a connection that was reset a moment ago is an OSError to aiokafka, which then connects again; uvloop says
# RuntimeError, and the consumer's fetches or heartbeats would end for good. For every client of this process.
AIOKafkaConnection.send = _send_or_fail


# A batch that takes longer (it waits for a database) must not blind the measuring of lag.
_HELD_SECONDS = 1.0
_next_fetches = Fetcher._get_actions_per_node


def fetch_nothing(consumer: AIOKafkaConsumer) -> None:
    """A batch is in hand: ask the broker for nothing more until `fetch_again`, or for a second.

    The client would ask at once, be answered with the first record that comes, and hand that out alone as the next
    batch. Asked when the batch is settled, the broker answers with everything that came meanwhile: fuller batches,
    and half of the requests, each of which names every partition.
    """
    fetcher = consumer._fetcher
    fetcher.handed_out_at = time.monotonic()
    fetcher.held_until = fetcher.handed_out_at + _HELD_SECONDS


async def gathered(consumer: AIOKafkaConsumer, seconds: float) -> None:
    """Wait until so long after the last batch was handed out; at once for what comes rarely."""
    rest = getattr(consumer._fetcher, "handed_out_at", 0.0) + seconds - time.monotonic()
    if rest > 0:
        await asyncio.sleep(rest)


def fetch_again(consumer: AIOKafkaConsumer) -> None:
    """The batch is settled: ask for the next records at once."""
    fetcher = consumer._fetcher
    if getattr(fetcher, "held_until", 0.0):
        fetcher.held_until = 0.0
        fetcher._notify(fetcher._wait_consume_future)


def _fetches_unless_held(self: Fetcher, assignment: Any) -> Any:
    fetches, *rest = _next_fetches(self, assignment)
    held = getattr(self, "held_until", 0.0)
    return ([] if held and time.monotonic() < held else fetches, *rest)


Fetcher._get_actions_per_node = _fetches_unless_held
