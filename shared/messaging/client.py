"""Where the Kafka client and FastStream do otherwise than we need; importing this mends it for the whole process."""

from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError
from faststream.kafka.message import KafkaAckableMessage
from faststream.message import StreamMessage


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
            await self.consumer.commit(last)
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
