"""Processes die at the worst line: effects stay single, nothing is lost."""

import signal
from collections.abc import Sequence
from typing import Any

from deploy.local import Platform
from shared.contracts.orders import RefundIssued
from shared.messaging.decode import Record
from shared.runtime.service import Service
from tests.component.messaging.support import amounts_by_order, captured, committed_offsets, process, say_many
from tests.harness.service import Wire, until
from tests.harness.tally import create_schema, sums, tallying

TEN = [captured("a", number) for number in range(10)]


async def test_death_between_database_and_offsets(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    url = platform.create_database("tally")
    await create_schema(url)
    await say_many(topics, TEN)
    async with process(url, platform.kafka, topic_prefix, fault="die-before-offsets") as service:
        assert await service.ended() == -signal.SIGKILL
    offsets = await committed_offsets(
        platform.kafka, f"{topic_prefix}tally", f"{topic_prefix}payment.captured"
    )
    assert offsets == {}, "it died before any offset was committed"
    async with tallying(platform, prefix=topic_prefix, database_url=url) as successor:
        await successor.settled()
        assert await sums(successor) == {"a": 10}
        assert successor.service.metrics.inbox_duplicates._value.get() == 10
        said = await topics.expect(RefundIssued, count=10)
        assert amounts_by_order(said) == {"a": list(range(1, 11))}


async def test_death_between_broker_and_deletion_sends_copies_only(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    url = platform.create_database("tally")
    await create_schema(url)
    await say_many(topics, TEN)
    async with process(url, platform.kafka, topic_prefix, fault="die-after-send") as service:
        assert await service.ended() == -signal.SIGKILL
    before = await topics.expect(RefundIssued)
    assert before.amount == 1
    async with tallying(platform, prefix=topic_prefix, database_url=url) as successor:
        await successor.settled()
        await until(lambda: len(topics.all(RefundIssued)) > 10, "copies come")
        said = topics.all(RefundIssued)
        assert amounts_by_order(said) == {"a": list(range(1, 11))}, "in order, copies apart"
        assert {message["ce_id"] for message in topics.headers if message["ce_subject"] == "a"} == {
            row["ce_id"] for row in topics.headers
        }
        assert len({message["ce_id"] for message in topics.headers}) == 10, (
            "a copy has the id of its original"
        )


async def test_a_fault_after_the_commit_has_no_second_effect(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    failed = []

    def install(service: Service[Any, Any]) -> None:
        handle = service.source._handle

        async def handled(records: Sequence[Record]) -> None:
            await handle(records)
            if not failed:
                failed.append(len(records))
                raise RuntimeError("after the commit of the database")

        service.source._handle = handled

    async with tallying(platform, prefix=topic_prefix, change=install) as service:
        await say_many(topics, TEN)
        await service.settled()
        assert await sums(service) == {"a": 10}
        assert service.service.metrics.inbox_duplicates._value.get() == failed[0]
