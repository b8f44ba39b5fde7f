"""Records that the Kafka client cannot read because a header's name is not UTF-8, read all the same.

The client unpacks a whole batch or raises, for ever at the same offset. Here the partition is asked for its
records once more and unpacked by the client's own slow reader with a tolerant eye, so that the consumer can
put the record aside like any other that nobody can handle.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, SupportsIndex

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.consumer.fetcher import READ_UNCOMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy

from shared.messaging.client import fetch_again, fetch_nothing, gathered
from shared.messaging.decode import Misnamed

_POLL_MS = 100  # How long one look for records waits; records that come meanwhile end it at once.
_WAIT_MS = 500
_FETCH_BYTES = 1_048_576  # A first record that is larger comes all the same.


async def fetch(
    consumer: AIOKafkaConsumer,
    starts: Mapping[TopicPartition, int],
    max_records: int,
    gather_seconds: float = 0.0,
) -> dict[TopicPartition, list[ConsumerRecord]]:
    """The next records by partition, at most so many; `starts` are the next offsets of the partitions being read.

    None sooner than `gather_seconds` after the last ones were handed out: they gather at the broker meanwhile.
    Records that the client cannot unpack are among them, their headers as `Misnamed`. Raises what the client raises
    for any other reason.
    """
    await gathered(consumer, gather_seconds)
    fetch_again(consumer)
    try:
        batches: dict[TopicPartition, list[ConsumerRecord]] = await consumer.getmany(
            timeout_ms=_POLL_MS, max_records=max_records
        )
        if batches:
            fetch_nothing(consumer)
        return batches
    except UnicodeDecodeError:
        failed = _failed(consumer)
        for partition, start in starts.items():
            # The client has forgotten what it had unpacked before: read it again.
            consumer.seek(partition, start)
        found = {}
        for partition in failed & starts.keys():
            unpacked = islice(await _unpacked(consumer, partition, starts[partition]), max_records)
            found[partition] = [_named(record) for record in unpacked]
            consumer.seek(partition, found[partition][-1].offset + 1)
        if not found:
            raise
        return found


def _failed(consumer: AIOKafkaConsumer) -> set[TopicPartition]:
    """The partitions in whose records the client gave up unpacking."""
    results = consumer._fetcher._records.items()
    unpacking = {
        partition: result._partition_records._records_iterator
        for partition, result in results
        if isinstance(result, FetchResult) and result._partition_records is not None
    }
    return {
        partition for partition, steps in unpacking.items() if steps is not None and steps.gi_frame is None
    }


def _named(record: ConsumerRecord) -> ConsumerRecord:
    if all(_is_text(name) for name, _ in record.headers):
        return record
    return replace(record, headers=Misnamed(record.headers))


def _is_text(name: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in name)


async def _unpacked(consumer: AIOKafkaConsumer, partition: TopicPartition, start: int) -> PartitionRecords:
    client = consumer._client
    wanted = [(partition.topic, [(partition.partition, start, _FETCH_BYTES)])]
    request = FetchRequest(_WAIT_MS, 0, _FETCH_BYTES, READ_UNCOMMITTED, wanted, rack_id="")
    answer = await client.send(client.cluster.leader_for_partition(partition), request)
    [(_, [(_, error, _, *_, batches)])] = answer.topics
    if error:
        raise for_code(error)
    return PartitionRecords(partition, _Batches(batches), None, start, None, None, True, READ_UNCOMMITTED)


class _Batches(_MemoryRecordsPy):  # type: ignore[misc]
    def next_batch(self) -> Any:
        """The next batch, for the tolerant eye; only the newest format has headers."""
        piece = self._next_slice
        if piece is None or piece[self.MAGIC_OFFSET] < 2:
            return super().next_batch()
        self._cache_next()
        return _Batch(piece)


class _Batch(_DefaultRecordBatchPy):  # type: ignore[misc]
    _buffer: Any

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _AnyBytes(self._buffer)


class _AnyBytes(bytearray):
    """Bytes that always decode: those that are no UTF-8 become lone surrogates, which tell them again."""

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        part = super().__getitem__(index)
        return _AnyBytes(part) if isinstance(part, bytearray) else part

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """As text, whatever it is."""
        del errors
        return super().decode(encoding, "surrogateescape")
