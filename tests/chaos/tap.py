"""Listens to every topic of the run: what the log holds, and copies of some of it sent again."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from random import Random

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

from deploy.local.settings import SERVICES
from deploy.local.topics import load

PLANTED = "chaos-poison"
"""Header of messages that are meant to be parked."""
COPIED = "chaos-copy"
"""Header of copies, so that none is copied again."""
_PAYMENTS = ("payment.authorized", "payment.captured")


class Tap:
    """Hears all topics from their beginning. `copies` is the share of messages that is sent a second time."""

    def __init__(self, bootstrap: str, prefix: str, chance: Random) -> None:
        self.topics = {topic.name: topic for topic in load()}
        self.copies = 0.0
        self.copied = 0
        self.planted: Counter[str] = Counter()
        """Messages that are meant to be parked, by topic, as the log has them."""
        self.paid: dict[str, list[tuple[int, int]]] = {}
        """By order: when the broker took word of a payment (ms since 1970), and of how much."""
        self._prefix = prefix
        self._chance = chance
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest",
            fetch_min_bytes=16_384, fetch_max_wait_ms=200,
        )  # fmt: skip
        self.producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, request_timeout_ms=300_000
        )

    async def start(self) -> None:
        """Connect."""
        await self._consumer.start()
        await self.producer.start()
        self._consumer.assign(
            [
                TopicPartition(self._prefix + topic.name, number)
                for topic in self.topics.values()
                for number in range(topic.partitions)
            ]
        )

    async def stop(self) -> None:
        """Disconnect."""
        # As tasks of their own: a client that stops badly cancels whoever stops it.
        await asyncio.gather(self._consumer.stop(), self.producer.stop(), return_exceptions=True)

    async def listen(self) -> None:
        """Hear until cancelled."""
        while True:
            heard = await self._consumer.getmany(timeout_ms=500, max_records=1_000)
            for place, records in heard.items():
                topic = place.topic.removeprefix(self._prefix)
                for record in records:
                    await self._hear(topic, record)

    async def _hear(self, topic: str, record: ConsumerRecord) -> None:
        names = {name for name, _ in record.headers}
        if PLANTED in names:
            self.planted[topic] += 1
            return
        if COPIED in names:
            return
        if topic in _PAYMENTS:
            event = orjson.loads(record.value)
            self.paid.setdefault(event["order_id"], []).append((record.timestamp, event["amount"]))
        if self.copies and self._chance.random() < self.copies:
            self.copied += 1
            await self.producer.send(
                record.topic, value=record.value, key=record.key, headers=[*record.headers, (COPIED, b"1")]
            )

    def parked(self) -> Mapping[str, int]:
        """Dead letters that what was planted makes, by service: each that reads a topic parks."""
        found: Counter[str] = Counter()
        for topic, count in self.planted.items():
            for reader in set(self.topics[topic].readers) & set(SERVICES):
                found[reader] += count
        return found

    async def positions(self) -> Mapping[TopicPartition, int]:
        """Up to where each partition was heard."""
        return {place: await self._consumer.position(place) for place in self._consumer.assignment()}

    async def behind(self) -> int:
        """Messages not heard yet, asked of the broker."""
        ends = await self._consumer.end_offsets(list(self._consumer.assignment()))
        positions = await self.positions()
        return sum(max(0, end - positions[place]) for place, end in ends.items())
