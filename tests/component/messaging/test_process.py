"""Real processes: they start while servers are away, share roles, end in order, and say why when they give up."""

import asyncio
import signal

import pytest

from deploy.local import Platform
from shared.contracts.orders import RefundIssued
from shared.runtime.service import EXIT_STUCK
from tests.component.messaging.support import (
    amounts_by_order,
    captured,
    committed_offsets,
    process,
    say_many,
)
from tests.harness.service import Wire, until
from tests.harness.tally import create_schema, sums, tallying


@pytest.fixture
async def url(platform: Platform) -> str:
    made = platform.create_database("tally")
    await create_schema(made)
    return made


async def test_sigterm_finishes_the_batch_sends_and_leaves(
    platform: Platform, topic_prefix: str, topics: Wire, url: str
) -> None:
    await say_many(topics, [captured("a", number) for number in range(20)])
    async with process(url, platform.kafka, topic_prefix, fault="slow") as service:
        await until(lambda: service.said("in hand"), "a batch is in its transaction")
        service.signal(signal.SIGTERM)
        assert await service.ended(30) == 0
        assert service.said("stopped")[0]["exit_code"] == 0
    async with tallying(platform, prefix=topic_prefix, database_url=url, roles=("api",)) as observer:
        [handled] = (await sums(observer)).values()
        assert not await observer.rows("SELECT 1 FROM outbox"), "what was said is sent"
    said = await topics.expect(RefundIssued, count=handled)
    assert amounts_by_order(said) == {"a": list(range(1, handled + 1))}
    offsets = await committed_offsets(
        platform.kafka, f"{topic_prefix}tally", f"{topic_prefix}payment.captured"
    )
    assert sum(offsets.values()) == handled, "offsets were committed, so nothing comes twice"
    # It left the group: the next one has the partitions at once, not after the session's timeout.
    async with tallying(platform, prefix=topic_prefix, database_url=url) as successor:
        await successor.settled()
        assert await sums(successor) == {"a": 20}
        assert successor.service.metrics.inbox_duplicates._value.get() == 0


async def test_a_client_that_fails_to_leave_keeps_nobody_from_ending_in_order(
    platform: Platform, topic_prefix: str, topics: Wire, url: str
) -> None:
    async with process(url, platform.kafka, topic_prefix, fault="no-farewell") as service:
        await topics.say(captured("a", 1))
        await topics.expect(RefundIssued)
        service.signal(signal.SIGTERM)
        assert await service.ended(30) == 0
        assert service.said("left the group without a farewell")
        assert service.said("stopped")[0]["exit_code"] == 0


async def test_roles_live_apart(platform: Platform, topic_prefix: str, topics: Wire, url: str) -> None:
    async with process(url, platform.kafka, topic_prefix, roles="consumer") as consumer:
        await topics.say(captured("a", 1))
        async with tallying(platform, prefix=topic_prefix, database_url=url, roles=("api",)) as observer:
            await until(lambda: observer.rows("SELECT 1 FROM outbox"), "it is handled, and nobody sends")
            async with process(url, platform.kafka, topic_prefix, roles="relay") as relay:
                await topics.expect(RefundIssued)
                for part in (consumer, relay):
                    part.signal(signal.SIGTERM)
                    assert await part.ended(30) == 0


async def test_it_starts_while_the_database_is_away(
    platform: Platform, topic_prefix: str, topics: Wire, url: str
) -> None:
    await asyncio.to_thread(platform.stop_postgres)
    try:
        async with process(url, platform.kafka, topic_prefix) as service:
            await until(lambda: service.said("relay interrupted"), "it waits for the database")
            await asyncio.to_thread(platform.start_postgres)
            await topics.say(captured("a", 1))
            await topics.expect(RefundIssued)
            service.signal(signal.SIGTERM)
            assert await service.ended(30) == 0
    finally:
        await asyncio.to_thread(platform.start_postgres)


async def test_it_starts_while_the_broker_is_away(
    platform: Platform, topic_prefix: str, topics: Wire, url: str
) -> None:
    await asyncio.to_thread(platform.stop_kafka)
    try:
        async with process(url, platform.kafka, topic_prefix) as service:
            await until(lambda: len(service.said("waiting for broker")) > 1, "it waits for the broker")
            await asyncio.to_thread(platform.start_kafka)
            await until(lambda: service.said("assigned"), "it has partitions")
            await topics.say(captured("a", 1))
            await topics.expect(RefundIssued)
            service.signal(signal.SIGTERM)
            assert await service.ended(30) == 0
    finally:
        await asyncio.to_thread(platform.start_kafka)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("hang", "a batch hangs"), ("deaf", "records are not read"), ("dead", "consumer died")],
)
async def test_a_consumer_that_is_stuck_ends_its_process(
    platform: Platform, topic_prefix: str, topics: Wire, url: str, fault: str, reason: str
) -> None:
    async with process(
        url, platform.kafka, topic_prefix, fault=fault, stuck_seconds=2, drain_seconds=1
    ) as service:
        await until(lambda: service.said("assigned"), "it has partitions")
        await topics.say(captured("a", 1))
        assert await service.ended(60) == EXIT_STUCK
        line = next(line for line in service.log if line.get("level") == "critical")
        assert reason in line["event"] + line.get("reason", "")
        assert line["remedy"]
