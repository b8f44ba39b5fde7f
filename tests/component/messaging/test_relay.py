"""The way out: whatever dies, hangs or is missing, rows reach the broker in order per key; only copies are added."""

import asyncio
import signal
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import NotLeaderForPartitionError
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords
from structlog.testing import capture_logs

from deploy.local import Platform
from deploy.local.topics import apply, load
from shared.contracts.envelope import MAX_BODY_BYTES
from shared.contracts.orders import RefundIssued
from shared.contracts.payments import PaymentVoided
from shared.messaging import relay as relay_module
from shared.messaging.relay import Relay
from shared.runtime.service import Service
from tests.component.messaging.support import amounts_by_order, captured, process
from tests.harness.service import Running, Wire, until
from tests.harness.tally import tallying

RELAY = ("relay",)
SAY = """
INSERT INTO outbox (shard, topic, key, headers, body)
SELECT 0, :topic, 'o' || n % :orders, :headers, convert_to(
    '{"order_id":"o' || n % :orders || '","request_id":"r","payment_id":"p","currency":"EUR","amount":' || n || :more,
    'UTF8')
FROM generate_series(:first ::int, :last ::int) n ORDER BY n
"""
HEADERS = b'[["ce_id","1"],["ce_type","refund.issued.v1"],["ce_source","/oms/tally"]]'


async def commit(
    service: Running,
    first: int,
    last: int,
    *,
    orders: int = 10,
    topic: str = RefundIssued.topic,
    more: str = "}",
) -> None:
    """Rows in the outbox as another process would commit them: amounts rise per order."""
    prefix = service.service.settings.topic_prefix
    await service.rows(
        SAY, topic=prefix + topic, orders=orders, headers=HEADERS, first=first, last=last, more=more
    )


def in_order(topics: Wire, last: int, orders: int = 10) -> bool:
    """Everything from 1 to `last` was heard, per order in rising order, copies apart."""
    heard: dict[str, list[int]] = amounts_by_order(topics.all(RefundIssued))
    if sum(map(len, heard.values())) < last:
        return False
    expected = defaultdict(list)
    for number in range(1, last + 1):
        expected[f"o{number % orders}"].append(number)
    assert heard == expected
    return True


async def empty(service: Running) -> bool:
    return not await service.rows("SELECT 1 FROM outbox LIMIT 1")


def relay_of(service: Running, **changes: Any) -> Relay:
    """Another relay of the same outbox."""
    ours = service.service
    arguments: dict[str, Any] = {
        "database_url": service.database_url, "bootstrap": service.bootstrap, "service": "tally", "shard": 0,
        "metrics": type(ours.metrics)("tally"), "tracing": ours.tracing, "idle_poll_seconds": 0.05, **changes,
    }  # fmt: skip
    return Relay(**arguments)


@asynccontextmanager
async def at_work(relay: Relay) -> AsyncIterator[Relay]:
    task = asyncio.create_task(relay.run())
    yield relay
    relay.stop()
    await asyncio.wait_for(task, 30)


async def test_two_relays_that_both_believe_they_lead_add_only_copies(
    platform: Platform, topic_prefix: str, topics: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tallying(platform, prefix=topic_prefix, roles=RELAY) as service:
        await until(lambda: service.service.relays[0].leader, "the first leads")
        monkeypatch.setattr(
            relay_module, "_LOCK_CLASS", 1
        )  # The second asks for another lock, so it gets it.
        async with at_work(relay_of(service)) as second:
            await until(lambda: second.leader, "the second leads, too")
            for page in range(10):
                await commit(service, page * 200 + 1, page * 200 + 200)
            await until(lambda: in_order(topics, 2_000), "all are heard in order")
            await until(lambda: empty(service), "the outbox is empty")


async def test_one_leads_and_the_other_waits_quietly(
    platform: Platform, topic_prefix: str, topics: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = 0
    wait = relay_module._until

    async def counted(event: asyncio.Event, seconds: float) -> None:
        nonlocal waits
        waits += event is standby._stopping
        await wait(event, seconds)

    async with tallying(platform, prefix=topic_prefix, roles=RELAY) as service:
        await until(lambda: service.service.relays[0].leader, "the first leads")
        standby = relay_of(service)
        monkeypatch.setattr(relay_module, "_until", counted)
        async with at_work(standby):
            await until(lambda: waits, "the second asks for the lock")
            asked = waits
            standby.wake()  # Its own process commits; that must not make it ask without a pause.
            await commit(service, 1, 2_000)
            await until(lambda: in_order(topics, 2_000), "all are heard")
            assert waits - asked < 20
            assert not standby.leader
            service.service.relays[0].stop()
            await until(lambda: standby.leader, "it takes over when the leader leaves")


async def test_a_frozen_leader_is_succeeded_and_adds_only_copies_when_it_thaws(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    async with (
        tallying(platform, prefix=topic_prefix, roles=("api",)) as service,
        process(
            service.database_url, platform.kafka, topic_prefix, roles="relay", fault="short-leash"
        ) as frozen,
    ):
        await until(lambda: frozen.said("relay leads"), "the process leads")
        await commit(service, 1, 100)
        await until(lambda: in_order(topics, 100), "it sends")
        frozen.signal(signal.SIGSTOP)
        await commit(service, 101, 200)
        async with at_work(relay_of(service)) as successor:
            await until(lambda: successor.leader, "the lock is free although its holder never let go")
            await until(lambda: in_order(topics, 200), "the successor sends")
            frozen.signal(signal.SIGCONT)
            await until(lambda: frozen.said("relay interrupted"), "the thawed one notices")
            await commit(service, 201, 300)
            await until(lambda: in_order(topics, 300), "order holds")
            assert successor.leader


async def test_a_killed_leader_is_succeeded_at_once(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    async with tallying(platform, prefix=topic_prefix, roles=("api",)) as service:
        async with process(service.database_url, platform.kafka, topic_prefix, roles="relay") as killed:
            await until(lambda: killed.said("relay leads"), "the process leads")
            await commit(service, 1, 5_000)
            killed.signal(signal.SIGKILL)
            await killed.ended()
        async with at_work(relay_of(service)):
            await until(lambda: in_order(topics, 5_000), "all are heard in order")
            await until(lambda: empty(service), "the outbox is empty")


async def test_rows_wait_for_a_broker_that_is_away(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    async with tallying(platform, prefix=topic_prefix) as service:
        await commit(service, 1, 50)
        await until(lambda: in_order(topics, 50), "it works")
        await asyncio.to_thread(platform.stop_kafka)
        try:
            await commit(service, 51, 150)
            errors = service.service.metrics.outbox_publish_errors._value
            await until(lambda: errors.get() >= 1, "sending fails")
            await commit(service, 151, 200)
            assert (await service.http.get("/health")).status_code == 200
        finally:
            await asyncio.to_thread(platform.start_kafka)
        await until(lambda: in_order(topics, 200), "all are heard in order", patience=90)
        await topics.say(captured("back", 1))
        await until(
            lambda: topics.all(RefundIssued, lambda event: event.order_id == "back"),
            "the consumer is back, too",
            patience=90,
        )


async def test_a_missing_topic_holds_up_nothing_but_itself(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    with capture_logs() as logs:
        async with tallying(platform, prefix=topic_prefix, roles=RELAY) as service:
            missing = "stock.level_changed"
            await commit(service, 1, 3_000, topic=missing)  # More than a page, before everything else.
            await commit(service, 1, 100)
            await until(lambda: in_order(topics, 100), "the others are heard")
            await until(
                lambda: _none(service, f"SELECT 1 FROM outbox WHERE topic NOT LIKE '%{missing}'"), "they left"
            )
            assert len(await service.rows("SELECT 1 FROM outbox")) == 3_000
            [first, *_] = [line for line in logs if line["event"] == "topic set aside"]
            assert first["topic"] == topic_prefix + missing and first["remedy"]
            apply(platform.kafka, [topic for topic in load() if topic.name == missing], prefix=topic_prefix)
            await until(lambda: empty(service), "once it is there its messages leave")


class OnePartitionFails(AIOKafkaProducer):  # type: ignore[misc]
    """A broker that refuses one partition of one topic."""

    broken = True

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> Any:
        if self.broken and topic.endswith(RefundIssued.topic) and partition == 0:
            raise NotLeaderForPartitionError
        return await super().send_batch(batch, topic, partition=partition)


async def test_one_failing_partition_holds_up_only_its_topic_and_keeps_its_order(
    platform: Platform, topic_prefix: str, topics: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tallying(platform, prefix=topic_prefix, roles=("api",)) as service:
        monkeypatch.setattr(OnePartitionFails, "broken", True)
        async with at_work(relay_of(service, producer=OnePartitionFails)):
            await commit(service, 1, 500)
            await until(lambda: len(topics.all(RefundIssued)) >= 300, "the other partitions are heard")
            await commit(service, 1, 100, topic=PaymentVoided.topic)
            others = "SELECT 1 FROM outbox WHERE topic NOT LIKE '%refund%'"
            await until(lambda: _none(service, others), "another topic is not held up")
            assert not await empty(service)
            monkeypatch.setattr(OnePartitionFails, "broken", False)
            await commit(service, 501, 600)
            await until(lambda: in_order(topics, 600), "all are heard in order")


async def _none(service: Running, sql: str) -> bool:
    return not await service.rows(sql)


async def test_a_long_outbox_leaves_in_pages(platform: Platform, topic_prefix: str, topics: Wire) -> None:
    pages: list[int] = []

    def install(service: Service[Any, Any]) -> None:
        relay = service.relays[0]
        read = relay._read

        async def seen(connection: Any) -> Any:
            rows = await read(connection)
            pages.append(len(rows))
            return rows

        relay._read = seen  # type: ignore[method-assign]

    async with tallying(platform, prefix=topic_prefix, roles=("api",)) as waiting:
        await commit(waiting, 1, 20_000, orders=50)
    async with tallying(
        platform, prefix=topic_prefix, database_url=waiting.database_url, roles=RELAY, change=install
    ) as service:
        await until(lambda: empty(service), "the outbox is empty")
        assert max(pages) == 1_000 and sum(pages) == 20_000
        await until(lambda: in_order(topics, 20_000, orders=50), "all are heard in order")


async def test_the_largest_messages_leave_a_few_at_a_time(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    async with tallying(platform, prefix=topic_prefix, roles=RELAY) as service:
        filling = ',"filling":"' + "x" * (MAX_BODY_BYTES - 120) + '"}'
        await commit(service, 1, 20, orders=3, more=filling)
        await until(lambda: in_order(topics, 20, orders=3), "all are heard in order")


async def test_a_commit_wakes_the_relay(
    platform: Platform, topic_prefix: str, topics: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a relay that would not look by itself for an hour."""
    asked: list[float] = []
    wait = relay_module._until

    async def an_hour(event: asyncio.Event, seconds: float) -> None:
        asked.append(seconds)
        await wait(event, 3600)

    monkeypatch.setattr(relay_module, "_until", an_hour)
    async with tallying(platform, prefix=topic_prefix) as service:
        await until(lambda: asked, "the relay sleeps")
        await topics.say(captured("a", 1))
        await topics.expect(RefundIssued)
        await until(lambda: empty(service), "it is deleted")


def _page(*bodies: bytes) -> relay_module._Batch:
    rows = [(number, "t", "k", b"[]", body, None) for number, body in enumerate(bodies, 1)]
    return relay_module._Batch("t", 0, rows)


def test_a_page_keeps_the_rest_of_a_partition_for_the_next_one() -> None:
    """Once a row does not fit, no later one of its partition may overtake it, however small."""
    assert _page(b"small", b"x" * 600_000, b"small").ids == [1]
    assert _page(b"x" * 600_000, b"small").ids == [1], "the first of a page goes, however large it is"


def test_a_message_or_two_are_not_compressed_and_many_are() -> None:
    """zstd costs more for one message, at its sender, the broker and every reader, than its bytes are worth."""
    for batch, codec in ((_page(b"one"), 0), (_page(*[b"many " * 20] * 60), DefaultRecordBatch.CODEC_ZSTD)):
        records = MemoryRecords(bytes(batch.builder._build())).next_batch()
        assert records.compression_type == codec
        assert len(list(records)) == len(batch.ids)
