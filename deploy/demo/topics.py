"""Another system on the suite's topics: says CloudEvents and hears what the services say."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from deploy.demo.players import Saying
from deploy.local.topics import load
from shared.contracts.envelope import Event
from shared.contracts.registry import MODELS

Hear = Callable[[type[Event], bytes, Mapping[str, str]], Awaitable[None]]
"""What happens with a message: its type, its bytes (to be read by who needs them) and its CloudEvents headers."""

_READ_TOGETHER = 1_000
_FAREWELL = 10.0
_PATIENCE_MS = 300_000
"""How long a message waits for a broker that is away."""


@dataclass(frozen=True, slots=True)
class _Message:
    topic: str
    key: bytes
    body: bytes
    headers: list[tuple[str, bytes]]


class Topics:
    """One connection to Kafka for all played systems.

    Hears every message of the named topics from now on, in no consumer group: nobody else hears less for it. What
    it says is said until the broker has it, however long that is away.
    """

    def __init__(self, bootstrap: str, prefix: str, hears: Collection[type[Event]], hear: Hear) -> None:
        self._prefix = prefix
        partitions = {topic.name: topic.partitions for topic in load()}
        self._topics = {prefix + model.topic: partitions[model.topic] for model in hears}
        self._hear = hear
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest",
            # Every fetch names all partitions and costs both sides something, so they are made worth it.
            fetch_min_bytes=16_384, fetch_max_wait_ms=100, max_partition_fetch_bytes=4_194_304,
        )  # fmt: skip
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            acks="all",
            linger_ms=20,
            max_request_size=2_000_000,
            enable_idempotence=True,
            request_timeout_ms=_PATIENCE_MS,
        )
        self._unsent: set[asyncio.Future[Any]] = set()
        self._failure: BaseException | None = None

    async def start(self) -> None:
        """Connect, and take the present end of every topic as the beginning."""
        await self._producer.start()
        await self._consumer.start()
        places = [
            TopicPartition(topic, number) for topic, count in self._topics.items() for number in range(count)
        ]
        self._consumer.assign(places)
        for place, end in (await self._consumer.end_offsets(places)).items():
            self._consumer.seek(place, end)

    async def stop(self) -> None:
        """Send what is waiting, unless nobody takes it any more, and disconnect."""
        for stop in (self._producer.stop, self._consumer.stop):
            with suppress(TimeoutError):
                await asyncio.wait_for(stop(), _FAREWELL)

    async def listen(self) -> None:
        """Hear until cancelled. A message nobody can read is passed over: it is the services' to complain."""
        while True:
            for records in (
                await self._consumer.getmany(timeout_ms=200, max_records=_READ_TOGETHER)
            ).values():
                for record in records:
                    headers = {
                        name: value.decode("utf-8", "replace") for name, value in record.headers if value
                    }
                    model = MODELS.get(headers.get("ce_type", ""))
                    if model is None or record.value is None:
                        continue
                    await self._hear(model, record.value, headers)

    async def say(self, saying: Saying) -> None:
        """Send an event, as many times as it says."""
        body = saying.event.__pydantic_serializer__.to_json(saying.event, exclude_none=True)
        for _ in range(saying.copies):
            await self.say_raw(type(saying.event), saying.event.key(), body, saying.message_id)

    async def say_json(self, model: type[Event], key: str, body: Mapping[str, Any], message_id: str) -> None:
        """Send a body that need not be valid."""
        await self.say_raw(model, key, orjson.dumps(body), message_id)

    async def say_raw(self, model: type[Event], key: str, body: bytes, message_id: str) -> None:
        """Send these bytes as an event of a type."""
        headers = {
            "ce_specversion": "1.0",
            "ce_id": message_id,
            "ce_type": model.ce_type(),
            "ce_source": "/demo",
            "content-type": "application/json",
        }
        await self.say_headers(model.topic, key, body, headers)

    async def say_headers(self, topic: str, key: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Send exactly this; waits only while too much is unsent."""
        encoded = [(name, value.encode()) for name, value in headers.items()]
        await self._send(_Message(self._prefix + topic, key.encode(), body, encoded))

    async def _send(self, message: _Message) -> None:
        sent = await self._producer.send(
            message.topic, value=message.body, key=message.key, headers=message.headers
        )
        self._unsent.add(sent)
        sent.add_done_callback(partial(self._acknowledged, message))

    def _acknowledged(self, message: _Message, sent: "asyncio.Future[Any]") -> None:
        self._unsent.discard(sent)
        error = None if sent.cancelled() else sent.exception()
        if isinstance(error, KafkaError) and error.retriable:
            again = asyncio.ensure_future(self._send(message))
            self._unsent.add(again)
            again.add_done_callback(self._sent_again)
        elif error is not None:
            self._failure = error

    def _sent_again(self, again: "asyncio.Future[Any]") -> None:
        self._unsent.discard(again)
        if not again.cancelled() and again.exception() is not None:
            self._failure = again.exception()

    @property
    def unsent(self) -> int:
        """Messages the broker has not acknowledged. Raises what went wrong when one could not be sent."""
        if self._failure is not None:
            raise self._failure
        return len(self._unsent)

    async def heard_up_to(self) -> dict[TopicPartition, int]:
        """The next offset to be heard of every heard partition."""
        return {place: await self._consumer.position(place) for place in self._consumer.assignment()}

    async def unheard(self) -> int:
        """Messages on the heard topics that were not heard yet, asked of the broker."""
        ends = await self._consumer.end_offsets(list(self._consumer.assignment()))
        return sum(max(0, ends[place] - offset) for place, offset in (await self.heard_up_to()).items())
