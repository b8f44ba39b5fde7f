"""How far was read: what deadlines rely on, where a forgotten group goes on, and what happens to what was removed."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.protocol.admin import DeleteGroupsRequest

from deploy.local import Platform
from shared.messaging.decode import Record
from shared.runtime.service import EXIT_MESSAGES_LOST, Service
from shared.saga.deadlines import consumed_until
from tests.component.messaging.support import admin, captured, headers, process, say_many, wrap_handler
from tests.component.messaging.test_rebalance import Held
from tests.harness.service import Running, Wire, until
from tests.harness.tally import sums, tallying


async def bound(service: Running) -> datetime:
    async with service.service.unit.begin() as (session, _):
        return await consumed_until(session) or datetime.min.replace(tzinfo=UTC)


async def clock(service: Running) -> datetime:
    [row] = await service.rows("SELECT clock_timestamp() AS now")
    now: datetime = row["now"]
    return now


async def ticked(service: Running) -> None:
    """Positions were stored at least twice from now on."""
    stored = [0]
    positions = service.service.source.positions

    def counted() -> Any:
        stored[0] += 1
        return positions()

    service.service.source.positions = counted  # type: ignore[method-assign]
    await until(lambda: stored[0] >= 3, "positions are stored")
    service.service.source.positions = positions  # type: ignore[method-assign]


async def test_the_bound_never_passes_an_unread_message(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    held = Held()
    async with tallying(platform, prefix=topic_prefix, change=partial(wrap_handler, around=held)) as service:
        await topics.say(captured("a", 1))
        await held.entered.wait()
        second = await topics.producer.send_and_wait(
            f"{topic_prefix}payment.captured", key=b"a", value=captured("a", 2).model_dump_json().encode(),
            headers=headers(),
        )  # fmt: skip
        unread = datetime.fromtimestamp(second.timestamp / 1000, UTC)
        await ticked(service)
        assert await bound(service) <= unread, "a message that waits holds the bound"
        held.release.set()
        now = await clock(service)
        await until(lambda: _passed(service, now), "caught up, the bound follows the clock")


async def _passed(service: Running, moment: datetime) -> bool:
    return await bound(service) > moment


async def test_the_bound_survives_a_restart_and_an_outage(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    async with tallying(platform, prefix=topic_prefix) as service:
        await topics.say(captured("a", 1))
        await service.settled()
        now = await clock(service)
        await until(lambda: _passed(service, now), "caught up")
        before = await bound(service)
    missed = await topics.producer.send_and_wait(
        f"{topic_prefix}payment.captured",
        key=b"a",
        value=captured("a", 2).model_dump_json().encode(),
        headers=headers(),
    )
    held = Held()
    async with tallying(
        platform,
        prefix=topic_prefix,
        database_url=service.database_url,
        change=partial(wrap_handler, around=held),
    ) as again:
        await held.entered.wait()
        await ticked(again)
        assert before <= await bound(again) <= datetime.fromtimestamp(missed.timestamp / 1000, UTC)
        held.release.set()


async def test_a_clock_that_jumps_moves_the_bound_past_nothing(
    platform: Platform, topic_prefix: str, topics: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3_600)
    async with tallying(platform, prefix=topic_prefix) as service:
        await topics.say(captured("a", 1))
        now = await clock(service)
        await until(lambda: _passed(service, now), "the bound follows the database's clock")
        assert await bound(service) <= await clock(service)


async def test_a_topic_no_longer_heard_holds_up_no_deadline(platform: Platform, topic_prefix: str) -> None:
    async with tallying(platform, prefix=topic_prefix) as service:
        url = service.database_url
        await service.rows("INSERT INTO progress VALUES ('gone.topic', 0, '2020-01-01Z', 7)")
        assert await bound(service) < datetime(2021, 1, 1, tzinfo=UTC)
    async with tallying(platform, prefix=topic_prefix, database_url=url) as service:
        now = await clock(service)
        await until(lambda: _passed(service, now), "the bound follows the clock")


async def test_markers_of_transactions_are_no_lag(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    """Other systems may produce in transactions; their markers take offsets that nobody is ever handed."""
    producer = AIOKafkaProducer(bootstrap_servers=platform.kafka, transactional_id=f"{topic_prefix}payments")
    await producer.start()
    async with tallying(platform, prefix=topic_prefix) as service:
        for number in range(3):
            async with producer.transaction():
                await producer.send_and_wait(
                    f"{topic_prefix}payment.captured", key=b"a", headers=headers(ce_id=str(number).encode()),
                    value=captured("a", number).model_dump_json().encode(),
                )  # fmt: skip
        await until(lambda: _counted(service, {"a": 3}), "all are counted")
        now = await clock(service)
        await until(
            lambda: _passed(service, now), "the bound follows the clock although the log ends in a marker"
        )
        assert {lag.records for lag in service.service.source.lag().values()} == {0}
        assert await service.service.source.standstill() is None
    await producer.stop()


async def _counted(service: Running, expected: dict[str, int]) -> bool:
    return await sums(service) == expected


async def test_a_group_that_the_broker_forgot_goes_on_from_the_database(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    async with tallying(platform, prefix=topic_prefix) as service:
        url = service.database_url
        await say_many(topics, [captured("a", number) for number in range(5)])
        await service.settled()
        await until(lambda: _offsets(service, 5), "the offset is in the database")
    async with admin(platform.kafka) as client:
        group = f"{topic_prefix}tally"
        coordinator = await client.find_coordinator(group)
        answer = await client._send_request(DeleteGroupsRequest([group]), coordinator)
        assert answer.results == [(group, 0)]
    await topics.say(captured("a", 5))
    async with tallying(platform, prefix=topic_prefix, database_url=url) as service:
        await until(lambda: _counted(service, {"a": 6}), "the new one is counted")
        assert service.service.metrics.inbox_duplicates._value.get() == 0, "the old ones were not read again"


async def _offsets(service: Running, total: int) -> bool:
    rows = await service.rows(
        "SELECT sum(next_offset) AS total FROM progress WHERE topic = 'payment.captured'"
    )
    return bool(rows[0]["total"] == total)


async def _remove(platform: Platform, place: TopicPartition, before: int) -> None:
    async with admin(platform.kafka) as client:
        await client.delete_records({place: RecordsToDelete(before)})


async def test_messages_removed_before_they_were_read_stop_the_process(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    async with tallying(platform, prefix=topic_prefix) as service:
        await topics.say(captured("a", 0))
        await service.settled()
    sent = await topics.producer.send_and_wait(f"{topic_prefix}payment.captured", key=b"a", value=b"{}")
    await say_many(topics, [captured("a", number) for number in range(1, 5)])
    place = TopicPartition(sent.topic, sent.partition)
    await _remove(platform, place, sent.offset + 2)
    async with process(service.database_url, platform.kafka, topic_prefix) as successor:
        assert await successor.ended() == EXIT_MESSAGES_LOST
        [line] = successor.said("messages lost to retention")
        assert f"{sent.topic}[{sent.partition}] offsets {sent.offset} to {sent.offset + 1}" in line["error"]
    async with tallying(
        platform, prefix=topic_prefix, roles=("api",), database_url=service.database_url
    ) as observer:
        assert await sums(observer) == {"a": 1}, "nothing was skipped silently"


async def test_messages_removed_while_it_runs_stop_the_process(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    def install(service: Service[Any, Any]) -> None:
        handle = service.source._handle

        async def fails_first(records: Sequence[Record]) -> None:
            if not release.is_set():
                entered.set()
                await release.wait()
                raise RuntimeError("the batch must come again, but it is gone from the log")
            await handle(records)

        service.source._handle = fails_first

    async with tallying(platform, prefix=topic_prefix, change=install, stuck_seconds=4) as service:
        sent = await topics.producer.send_and_wait(f"{topic_prefix}payment.captured", key=b"a", value=b"{}")
        await entered.wait()
        await say_many(topics, [captured("a", number) for number in range(5)])
        await _remove(platform, TopicPartition(sent.topic, sent.partition), 3)
        release.set()
        await until(lambda: service.service.exit_code == EXIT_MESSAGES_LOST, "it stops")
        assert f"offsets {sent.offset} to 2" in str(service.service.source.fatal)
        assert await sums(service) == {}
