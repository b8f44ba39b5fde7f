"""Processes come and go while a batch is under way: it ends and is committed before its partitions move."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import psycopg
from aiokafka.admin import AIOKafkaAdminClient
from structlog.testing import capture_logs

from deploy.local import Platform
from shared.contracts.orders import RefundIssued
from shared.messaging.message import Message
from tests.component.messaging.support import admin, amounts_by_order, captured, say_many, wrap_handler
from tests.harness.service import Wire, until
from tests.harness.tally import sums, tallying


class Held:
    """Around a handler: it works, then stays in its transaction until released."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.release = asyncio.Event()

    async def __call__(self, handler: Any, messages: Sequence[Message[Any]], tx: Any) -> None:
        await handler(messages, tx)
        self.entered.set()
        await self.release.wait()


async def _state(client: AIOKafkaAdminClient, group: str) -> str:
    [answer] = await client.describe_consumer_groups([group])
    [described] = answer.groups
    return str(described[2])


async def test_a_batch_ends_before_its_partitions_move(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    held = Held()
    first = [captured(f"o{number % 10}", number) for number in range(50)]
    async with tallying(platform, prefix=topic_prefix, change=partial(wrap_handler, around=held)) as one:
        await say_many(topics, first)
        await held.entered.wait()
        async with AsyncExitStack() as stack:
            other = tallying(platform, prefix=topic_prefix, database_url=one.database_url)
            joining = asyncio.create_task(stack.enter_async_context(other))
            await until(
                one.service.consumer.waiting.interrupt.is_set, "the first is asked for its partitions"
            )
            async with admin(platform.kafka) as client:
                for _ in range(
                    100
                ):  # Looks, not seconds: without the wait the group would be stable after a few.
                    assert await _state(client, f"{topic_prefix}tally") == "PreparingRebalance"
            assert not joining.done() and one.service.source.busy
            held.release.set()
            two = await joining
            assert two.service.source.assignment() and one.service.source.assignment()
            await say_many(topics, [captured(f"o{number % 10}", number) for number in range(50, 100)])
            await one.settled()
            duplicates = [process.service.metrics.inbox_duplicates._value.get() for process in (one, two)]
            assert duplicates == [0, 0], "offsets were committed before the partitions moved"
        await until(lambda: len(one.service.source.assignment()) > 6, "the first has all partitions again")
        await say_many(topics, [captured(f"o{number % 10}", number) for number in range(100, 150)])
        await one.settled()
        assert await sums(one) == {f"o{number}": 15 for number in range(10)}
        said = await topics.expect(RefundIssued, count=150)
        assert amounts_by_order(said) == {f"o{number}": list(range(1, 16)) for number in range(10)}


async def test_a_waiting_retry_is_given_up_for_a_rebalance(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    away = True

    async def fails(handler: Any, messages: Sequence[Message[Any]], tx: Any) -> None:
        if away:
            raise psycopg.OperationalError("the database is away")
        await handler(messages, tx)

    install = partial(wrap_handler, around=fails)
    with capture_logs() as logs:
        async with tallying(platform, prefix=topic_prefix, change=install) as one:
            await say_many(topics, [captured(f"o{number}", number) for number in range(30)])
            await until(lambda: one.service.consumer.waiting.reason == "retry", "it waits")
            async with tallying(
                platform, prefix=topic_prefix, database_url=one.database_url, change=install
            ) as two:
                assert two.service.source.assignment()
                away = False
                await one.settled()
                assert await sums(one) == {f"o{number}": 1 for number in range(30)}
    assert not [line for line in logs if line["event"].startswith("batch did not end")]
    assert not [line for line in logs if line["event"] == "batch failed"]


async def test_partitions_are_opened_only_when_the_database_says_where(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    """The database is away during a rebalance: no message is touched before it is known where to go on."""
    known = asyncio.Event()
    asked = 0

    def install(service: Any) -> None:
        positions = service.source._positions_known

        async def later() -> Any:
            nonlocal asked
            asked += 1
            if not known.is_set():
                raise psycopg.OperationalError("the database is away")
            return await positions()

        service.source._positions_known = later

    await topics.say(captured("a", 1))
    async with AsyncExitStack() as stack:
        starting = asyncio.create_task(
            stack.enter_async_context(tallying(platform, prefix=topic_prefix, change=install))
        )
        await until(lambda: asked >= 3, "it asks again and again")
        assert not starting.done(), "it is not ready before it knows"
        known.set()
        service = await starting
        await service.settled()
        assert await sums(service) == {"a": 1}
