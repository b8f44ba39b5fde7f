"""The generator's connection to Kafka: explicit batches out, raw records in."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

Said = tuple[int, bytes, bytes, str]
"""Partition, key, body, message id."""


class Wire:
    """Says events in as few requests as possible and hears some topics from now on, in no consumer group."""

    def __init__(self, bootstrap: str, prefix: str, hears: Sequence[str]) -> None:
        self._prefix = prefix
        self._hears = [prefix + topic for topic in hears]
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap, acks="all", max_batch_size=900_000, max_request_size=2_000_000
        )
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, enable_auto_commit=False, max_partition_fetch_bytes=4_194_304
        )
        self._unsent: set[asyncio.Future[Any]] = set()
        self.failure: BaseException | None = None

    async def start(self) -> None:
        """Connect, and take the present end of every topic as the beginning."""
        await self._producer.start()
        await self._consumer.start()
        # The producer is asked: a consumer knows the partitions of topics it subscribed to, and of no others.
        places = [
            TopicPartition(topic, number)
            for topic in self._hears
            for number in sorted(await self._producer.partitions_for(topic))
        ]
        self._consumer.assign(places)
        for place, end in (await self._consumer.end_offsets(places)).items():
            self._consumer.seek(place, end)

    async def stop(self) -> None:
        """Send what is waiting and disconnect."""
        await self._producer.stop()
        await self._consumer.stop()

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        return len(await self._producer.partitions_for(self._prefix + topic))

    async def hear(self) -> Mapping[TopicPartition, Sequence[ConsumerRecord]]:
        """What came since, by topic and partition; waits a moment for it."""
        heard: Mapping[TopicPartition, Sequence[ConsumerRecord]] = await self._consumer.getmany(
            timeout_ms=200
        )
        return heard

    def topic(self, place: TopicPartition) -> str:
        """The topic without the prefix of this run."""
        return str(place.topic).removeprefix(self._prefix)

    async def say(self, topic: str, said: Sequence[Said]) -> None:
        """Send events of one topic, one batch per partition; returns when they are on their way."""
        common = [("ce_specversion", b"1.0"), ("ce_type", f"{topic}.v1".encode()), ("ce_source", b"/bench"),
                  ("content-type", b"application/json")]  # fmt: skip
        batches: dict[int, Any] = {}
        for partition, key, body, message_id in said:
            headers = [*common, ("ce_id", message_id.encode())]
            batch = batches.get(partition) or batches.setdefault(partition, self._producer.create_batch())
            if batch.append(key=key, value=body, timestamp=None, headers=headers) is None:
                await self._send(batch, topic, partition)
                batch = batches[partition] = self._producer.create_batch()
                batch.append(key=key, value=body, timestamp=None, headers=headers)
        for partition, batch in batches.items():
            await self._send(batch, topic, partition)

    async def _send(self, batch: Any, topic: str, partition: int) -> None:
        sent = await self._producer.send_batch(batch, self._prefix + topic, partition=partition)
        self._unsent.add(sent)
        sent.add_done_callback(self._acknowledged)

    def _acknowledged(self, sent: "asyncio.Future[Any]") -> None:
        self._unsent.discard(sent)
        if not sent.cancelled() and sent.exception() is not None:
            self.failure = sent.exception()

    async def sent(self) -> None:
        """Wait until the broker has everything."""
        while self._unsent:
            await asyncio.wait(set(self._unsent))


def partition_of(key: bytes, partitions: int) -> int:
    """Of an event keyed by channel and external id: any choice that stays the same will do."""
    return crc32(key) % partitions
