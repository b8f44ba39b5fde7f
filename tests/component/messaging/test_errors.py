"""Errors: what waiting mends is waited for in place, what it does not trips the breaker before everything is parked."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from deploy.local import Platform
from shared.contracts.orders import RefundIssued
from shared.messaging.message import Message, Unhandleable
from shared.runtime.service import Service
from tests.component.messaging.support import amounts_by_order, captured, say_many, wrap_handler
from tests.harness.service import Running, Wire, until
from tests.harness.tally import sums, tallying


async def parked(service: Running) -> int:
    return len(await service.rows("SELECT 1 FROM dead_letters"))


class Once:
    """Around a handler: does something to its first transaction, before or after the handler worked in it."""

    def __init__(self, action: Any) -> None:
        self.calls = 0
        self._action = action

    async def __call__(self, handler: Any, messages: Sequence[Message[Any]], tx: Any) -> None:
        self.calls += 1
        if self.calls == 1:
            await self._action(tx)
        await handler(messages, tx)


async def lose_the_connection(tx: Any) -> None:
    await tx.store.session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


async def land_on_a_standby(tx: Any) -> None:
    await tx.store.session.execute(text("SET TRANSACTION READ ONLY"))


async def deadlock(_tx: Any) -> None:
    raise psycopg.errors.DeadlockDetected("deadlock detected")


@pytest.mark.parametrize(
    "accident", [lose_the_connection, land_on_a_standby, deadlock], ids=lambda a: a.__name__
)
async def test_an_error_that_waiting_mends_is_retried_and_nothing_is_parked(
    accident: Any, platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    around = Once(accident)
    async with tallying(
        platform, prefix=topic_prefix, change=partial(wrap_handler, around=around)
    ) as service:
        await topics.say(captured("a", 1))
        await service.settled()
        assert await sums(service) == {"a": 1}
        assert around.calls == 2
        assert await parked(service) == 0


async def test_a_migration_meanwhile_parks_nothing(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    async with tallying(platform, prefix=topic_prefix, pool_size=2) as service:
        for number in range(6):  # Until both connections have prepared their plans.
            await topics.say(captured("a", number))
            await service.settled()
        plain = service.database_url.replace("+psycopg", "")
        async with await psycopg.AsyncConnection.connect(plain) as elsewhere:
            await elsewhere.execute("ALTER TABLE tallies ALTER COLUMN count TYPE integer")
        for number in range(6, 10):
            await topics.say(captured("a", number))
            await service.settled()
        assert await sums(service) == {"a": 10}
        assert await parked(service) == 0
        retries = service.service.metrics.message_retries.labels("schema_changed")._value.get()
        assert retries, "plans that were prepared did not fit any more"


async def test_a_lock_that_somebody_holds_is_waited_for(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    async with tallying(platform, prefix=topic_prefix) as service:
        await topics.say(captured("a", 1))
        await service.settled()
        async with service.service.unit.begin() as (holder, _):
            await holder.execute(text("SELECT 1 FROM tallies FOR UPDATE"))
            await topics.say(captured("a", 2))
            waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            await until(lambda: service.rows(waits), "the consumer waits for the lock")
        await service.settled()
        assert await sums(service) == {"a": 2}


async def test_the_database_may_go_away_while_messages_flow(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    async with tallying(platform, prefix=topic_prefix) as service:
        await say_many(topics, [captured(f"o{number % 5}", number) for number in range(100)])
        await asyncio.to_thread(platform.stop_postgres, "immediate")
        try:
            await say_many(topics, [captured(f"o{number % 5}", number) for number in range(100, 200)])
            await until(lambda: service.service.consumer.waiting.reason == "retry", "the consumer waits")
            assert (await service.http.get("/health")).status_code == 200
        finally:
            await asyncio.to_thread(platform.start_postgres)
        await service.settled()
        assert await sums(service) == {f"o{number}": 40 for number in range(5)}
        assert await parked(service) == 0
        said = await topics.expect(RefundIssued, count=200)
        assert amounts_by_order(said) == {f"o{number}": list(range(1, 41)) for number in range(5)}


async def test_a_stop_does_not_wait_for_a_database_that_is_away(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    async with tallying(platform, prefix=topic_prefix) as service:
        url = service.database_url
        await topics.say(captured("a", 1))
        await service.settled()
        await asyncio.to_thread(platform.stop_postgres, "immediate")
        await topics.say(captured("a", 2))
        await until(lambda: service.service.consumer.waiting.reason == "retry", "the consumer waits")
        stopping = asyncio.get_running_loop().time()
    try:
        assert asyncio.get_running_loop().time() - stopping < 15, "a stop is bounded"
    finally:
        await asyncio.to_thread(platform.start_postgres)
    async with tallying(platform, prefix=topic_prefix, database_url=url) as service:
        await service.settled()
        assert await sums(service) == {"a": 2}


class Deployment:
    """Around a handler: a release that fails on everything until it is mended."""

    def __init__(self) -> None:
        self.bad = True
        self.bad_orders: frozenset[str] = frozenset()

    async def __call__(self, handler: Any, messages: Sequence[Message[Any]], tx: Any) -> None:
        if self.bad or any(message.event.order_id in self.bad_orders for message in messages):
            raise KeyError("a fault of this release")
        await handler(messages, tx)


async def test_a_bad_deployment_opens_the_breaker_and_parks_no_more(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    release = Deployment()

    def install(service: Service[Any, Any]) -> None:
        wrap_handler(service, release)

    with capture_logs() as logs:
        async with tallying(platform, prefix=topic_prefix, change=install, breaker_limit=3) as service:
            gauge = service.service.metrics.breaker_open.labels("tally")._value
            await say_many(topics, [captured("a", number) for number in range(10)])
            await until(lambda: gauge.get() == 1, "the breaker opens")
            await until(lambda: service.service.consumer.waiting.reason == "breaker", "it waits to probe")
            assert await parked(service) == 3
            assert any(
                line["log_level"] == "critical" and line["event"].startswith("breaker open") for line in logs
            )
            release.bad = False
            await service.settled()
            assert gauge.get() == 0
            assert await sums(service) == {"a": 7}
            assert await parked(service) == 3


async def test_one_message_that_succeeds_closes_the_breaker(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    release = Deployment()
    release.bad, release.bad_orders = False, frozenset({"bad"})
    events = [captured("bad", number) for number in range(6)] + [captured("good", 1)]
    # One partition for both orders, so that the good message stands behind the bad ones in one batch.
    for number, event in enumerate(events):
        await topics.raw(
            event.topic, b"k", event.model_dump_json(exclude_none=True).encode(),
            [("ce_id", str(number).encode()), ("ce_type", b"payment.captured.v1"), ("ce_source", b"/t")],
        )  # fmt: skip
    async with tallying(
        platform, prefix=topic_prefix, change=partial(wrap_handler, around=release), breaker_limit=3
    ) as service:
        await service.settled()
        assert await sums(service) == {"good": 1}
        assert await parked(service) == 6, (
            "the deployment is good, so the bad messages were parked one by one"
        )


class _NotHere(Unhandleable):
    reason = "not_here"


async def test_what_names_a_stranger_is_parked_at_once_and_never_opens_the_breaker(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    batches = []

    async def know_evens(handler: Any, messages: Sequence[Message[Any]], tx: Any) -> None:
        batches.append(len(messages))
        strangers = {message.id: "ask its sender" for message in messages if message.event.amount % 2}
        if strangers:
            raise _NotHere(strangers)
        await handler(messages, tx)

    await say_many(topics, [captured("one", number, 1 + number % 2) for number in range(100)])
    async with tallying(
        platform, prefix=topic_prefix, change=partial(wrap_handler, around=know_evens), breaker_limit=3
    ) as service:
        await service.settled()
        assert await sums(service) == {"one": 100}
        rows = await service.rows("SELECT DISTINCT reason, error, count(*) FROM dead_letters GROUP BY 1, 2")
        assert rows == [{"reason": "not_here", "error": "ask its sender", "count": 50}]
        assert len(batches) < 20  # The rest of a batch is handled together, not searched by halves.
