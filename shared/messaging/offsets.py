"""Where a consumer group reads on, and how a person sets it back after a database was restored."""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import CommitFailedError, UnknownMemberIdError

from shared.value_object import value_object

Place = tuple[str, int]
"""Topic (without the installation's prefix) and partition."""


class GroupInUse(Exception):
    """Processes of the group still run: they would commit over what is set."""


@value_object
class Move:
    """What setting a group back does to one partition. `target` is the offset to read next, never after `committed`."""

    topic: str
    partition: int
    committed: int | None
    target: int
    first: int
    end: int

    @property
    def again(self) -> int:
        """Messages that will be read again or for the first time."""
        return max(0, self.end - max(self.target, self.first))

    @property
    def removed(self) -> int:
        """Messages that should be read again and that retention has removed."""
        return max(0, self.first - self.target)


class Group:
    """The offsets of one consumer group, for people; nothing in here reads messages."""

    def __init__(self, bootstrap: str, name: str, prefix: str, topics: Collection[str]) -> None:
        self._bootstrap = bootstrap
        self._name = name
        self._prefix = prefix
        self._topics = sorted(topics)

    async def plan(self, to: datetime | Mapping[Place, int]) -> list[Move]:
        """Where each partition would go on: at the first message since a moment, or at known offsets (else its start).

        Only backwards: what was never read is never skipped. Raises KafkaError while the broker is away.
        """
        async with self._consumer() as consumer:
            places = await self._places()
            first, end = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
            committed = dict(zip(places, await asyncio.gather(*map(consumer.committed, places)), strict=True))
            wanted = await self._wanted(consumer, places, to, end)
        moves = []
        for place in places:
            known = committed[place]
            target = wanted[place] if known is None else min(wanted[place], known)
            moves.append(Move(*self._own(place), known, target, first[place], end[place]))
        return moves

    async def commit(self, moves: Collection[Move]) -> None:
        """Set the group to what was planned. Raises GroupInUse while one of its processes runs."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        await admin.start()
        try:
            [answer] = await admin.describe_consumer_groups([self._name])
            members = sum(len(group["members"]) for group in answer.to_object()["groups"])
        finally:
            await admin.close()
        if members:
            raise GroupInUse(f"{members} consumers of group {self._name} still run")
        offsets = {
            TopicPartition(self._prefix + move.topic, move.partition): max(move.target, move.first)
            for move in moves
        }
        async with self._consumer() as consumer:
            consumer.assign(list(offsets))
            try:
                await consumer.commit(offsets)
            except (CommitFailedError, UnknownMemberIdError):
                raise GroupInUse(f"a consumer of group {self._name} has just begun") from None

    async def _wanted(
        self,
        consumer: AIOKafkaConsumer,
        places: list[TopicPartition],
        to: datetime | Mapping[Place, int],
        end: Mapping[TopicPartition, int],
    ) -> dict[TopicPartition, int]:
        if not isinstance(to, datetime):
            return {place: to.get(self._own(place), 0) for place in places}
        moment = int(to.timestamp() * 1000)
        found = await consumer.offsets_for_times(dict.fromkeys(places, moment))
        return {place: found[place].offset if found.get(place) else end[place] for place in places}

    async def _places(self) -> list[TopicPartition]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        await admin.start()
        try:
            topics = await admin.describe_topics([self._prefix + topic for topic in self._topics])
        finally:
            await admin.close()
        return sorted(
            TopicPartition(topic["topic"], partition["partition"])
            for topic in topics
            for partition in topic["partitions"]
        )

    @asynccontextmanager
    async def _consumer(self) -> Any:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap, group_id=self._name, enable_auto_commit=False
        )
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()

    def _own(self, place: TopicPartition) -> Place:
        return place.topic[len(self._prefix) :], place.partition
