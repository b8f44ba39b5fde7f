"""Is anything still going on? Asked of databases and broker themselves, not of the services."""

import asyncio
from collections.abc import Mapping

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from deploy.local.settings import SERVICES
from deploy.local.topics import Topic, load

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
    "notifications": {
        "mails to send": "SELECT count(*) FROM deliveries WHERE state IN ('waiting', 'queued')"
    },
}
"""What of a service's own aggregates is not at its end."""


class Quiet:
    """Watches until nothing moves: outboxes empty, every message read, every aggregate at its end or flagged."""

    def __init__(self, databases: Mapping[str, str], bootstrap: str, prefix: str) -> None:
        self._databases = {name: libpq(url) for name, url in databases.items()}
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._read_by: dict[str, list[Topic]] = {
            service: [topic for topic in load() if service in topic.readers] for service in SERVICES
        }

    async def noises(self, *, aggregates: bool = True) -> list[str]:
        """What is going on, one line each; nothing twice in a row means that nothing is, because each line is a look
        at a moment of its own."""
        looks = await asyncio.gather(
            *(self._database(name, aggregates=aggregates) for name in self._databases), self._unread()
        )
        return [noise for look in looks for noise in look]

    async def until(self, *, seconds: float, aggregates: bool = True) -> None:
        """Return when it was quiet twice in a row. Raises TimeoutError, which says what is not quiet."""
        quiet = 0
        noises: list[str] = []
        try:
            async with asyncio.timeout(seconds):
                while quiet < 2:
                    noises = await self.noises(aggregates=aggregates)
                    quiet = 0 if noises else quiet + 1
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise TimeoutError(f"not quiet after {seconds:.0f} s: {'; '.join(noises)}") from None

    async def _database(self, service: str, *, aggregates: bool) -> list[str]:
        asked = {"outbox rows": "SELECT count(*) FROM outbox"} | (
            _GOING_ON.get(service, {}) if aggregates else {}
        )
        noises = []
        async with await psycopg.AsyncConnection.connect(
            self._databases[service], autocommit=True
        ) as connection:
            for what, query in asked.items():
                row = await (await connection.execute(query)).fetchone()
                if row and row[0]:
                    noises.append(f"{service}: {row[0]} {what}")
        return noises

    async def _unread(self) -> list[str]:
        """Records of the topics a service reads that its group has not committed."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap)
        await admin.start()
        await consumer.start()
        try:
            noises = []
            for service, topics in self._read_by.items():
                places = [
                    TopicPartition(self._prefix + topic.name, number)
                    for topic in topics
                    for number in range(topic.partitions)
                ]
                ends = await consumer.end_offsets(places)
                offsets = await admin.list_consumer_group_offsets(self._prefix + service, partitions=places)
                behind = sum(end - max(0, offsets[place].offset) for place, end in ends.items())
                if behind:
                    noises.append(f"{service}: {behind} messages to read")
            return noises
        finally:
            await consumer.stop()
            await admin.close()


def libpq(url: str) -> str:
    """An address as psycopg itself understands it."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
