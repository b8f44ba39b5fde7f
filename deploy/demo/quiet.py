"""Is anything still going on? Asked of databases and broker themselves, not of the services."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.local.settings import SERVICES
from deploy.local.topics import load

_GOING_ON = {
    "orders": {
        "orders on their way": """SELECT count(*) FROM orders
            WHERE state NOT IN ('completed', 'cancelled', 'expected') AND NOT needs_attention""",
    },
    "fulfillment": {
        "parcels on their way": """SELECT count(*) FROM shipments
            WHERE state NOT IN ('delivered', 'lost', 'returned_to_sender', 'cancelled')""",
    },
    "returns": {"returns to come": "SELECT count(*) FROM returns WHERE state = 'authorized'"},
}
"""What of a service's own aggregates is not at its end."""


_WAITING = {
    "orders": {"deadlines to look at": "SELECT count(*) FROM orders WHERE deadline_at < now()"},
    "notifications": {
        "mails to send": "SELECT count(*) FROM deliveries WHERE state IN ('waiting', 'queued')"
    },
}
"""What a service has yet to do beside sending its outbox, whatever stage its aggregates are at."""


class Quiet:
    """Tells whether nothing moves: outboxes empty, every message read, every aggregate at its end or flagged."""

    def __init__(self, databases: Mapping[str, str], bootstrap: str, prefix: str) -> None:
        self._databases = {name: libpq(url) for name, url in databases.items()}
        self._prefix = prefix
        self._read_by = {
            service: [
                TopicPartition(prefix + topic.name, number)
                for topic in load()
                if service in topic.readers
                for number in range(topic.partitions)
            ]
            for service in SERVICES
        }
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        self._consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)

    async def __aenter__(self) -> Self:
        await self._admin.start()
        await self._consumer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._consumer.stop()
        await self._admin.close()

    async def noises(self, *, aggregates: bool = True) -> list[str]:
        """What is going on, one line each; none means quiet. Without `aggregates` they may be at any stage.

        The ends of the topics are read before and after the databases: when they are the same, and everything up to
        them had been read, then nobody consumed anything while the outboxes were looked at.
        """
        try:
            ends = await self._ends()
            noises = await self._unread(ends)
        except KafkaError as error:
            if not error.retriable:
                raise
            return [f"the broker is busy with itself: {error!r}"]
        looks = await asyncio.gather(
            *(self._database(name, aggregates=aggregates) for name in self._databases)
        )
        noises += [noise for look in looks for noise in look]
        if not noises and await self._ends() != ends:
            noises.append("messages are coming in")
        return noises

    async def _database(self, service: str, *, aggregates: bool) -> list[str]:
        asked = {"outbox rows": "SELECT count(*) FROM outbox"} | _WAITING.get(service, {})
        if aggregates:
            asked |= _GOING_ON.get(service, {})
        noises = []
        address = self._databases[service]
        async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
            for what, query in asked.items():
                row = await (await connection.execute(query.encode())).fetchone()
                if row and row[0]:
                    noises.append(f"{service}: {row[0]} {what}")
        return noises

    async def _ends(self) -> dict[TopicPartition, int]:
        places = sorted({place for places in self._read_by.values() for place in places})
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(places)
        return ends

    async def _unread(self, ends: Mapping[TopicPartition, int]) -> list[str]:
        """Records of the topics a service reads that its group has not committed."""
        noises = []
        for service, places in self._read_by.items():
            offsets = await self._admin.list_consumer_group_offsets(self._prefix + service, partitions=places)
            if len(offsets) < len(places):
                # aiokafka passes over an error of the whole answer: a busy broker told nothing.
                noises.append(f"{service}: positions that Kafka does not tell at the moment")
                continue
            behind = sum(ends[place] - max(0, offsets[place].offset) for place in places)
            if behind > 0:
                noises.append(f"{service}: {behind} messages to read")
        return noises


def libpq(url: str) -> str:
    """An address as psycopg itself understands it."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
