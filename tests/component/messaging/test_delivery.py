"""What goes in has its effect once and comes out in order."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import orjson
import pytest

from deploy.local import Platform
from shared.contracts.orders import RefundIssued
from shared.messaging import client
from shared.messaging.message import Command, Message
from tests.component.messaging.support import amounts_by_order, captured, headers, say_many, wrap_handler
from tests.harness.service import Wire
from tests.harness.tally import sums, tallying


async def test_every_message_counts_once_and_answers_leave_in_order(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    async with tallying(platform, prefix=topic_prefix) as service:
        for number in range(40):
            await topics.say(captured(f"o{number % 8}", number), copies=1 + number % 3)
        await service.settled()
        assert await sums(service) == {f"o{number}": 5 for number in range(8)}
        said = await topics.expect(RefundIssued, count=40)
        assert amounts_by_order(said) == {f"o{number}": [1, 2, 3, 4, 5] for number in range(8)}
        assert len(topics.all(RefundIssued)) == 40


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
STATES = {
    "carried": ([("traceparent", TRACE.encode()), ("tracestate", b"bank=a1, other=2")], "bank=a1,other=2"),
    "broken": ([("traceparent", TRACE.encode()), ("tracestate", b"\xff\x00=1")], None),
    "orphan": ([("tracestate", b"bank=a1")], None),
    "none": ([("traceparent", TRACE.encode())], None),
}


async def test_the_state_of_other_tracing_systems_travels_with_its_trace(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    for order, (extra, _) in STATES.items():
        event = captured(order)
        body = event.model_dump_json(exclude_none=True).encode()
        await topics.raw(event.topic, order.encode(), body, [*headers(ce_id=order.encode()), *extra])
    async with tallying(platform, prefix=topic_prefix):
        await topics.expect(RefundIssued, count=len(STATES))
    said = {message["ce_subject"]: message for message in topics.headers}
    assert {order: message.get("tracestate") for order, message in said.items()} == {
        order: state for order, (_, state) in STATES.items()
    }
    assert said["carried"]["traceparent"] == TRACE


async def test_a_trace_that_is_not_followed_gives_no_state(platform: Platform, topic_prefix: str) -> None:
    other = TRACE.replace("4bf9", "5bf9")
    event = RefundIssued(order_id="o", request_id="r", payment_id="p", amount=1, currency="EUR")
    async with tallying(platform, prefix=topic_prefix, roles=("api",)) as service:
        for trace in (TRACE, other):
            async with service.service.transaction() as tx:
                tx.emit(event, trace=trace, cause=Command("c", None, "jane", TRACE, "desk=7"))
        rows = await service.rows("SELECT headers FROM outbox ORDER BY id")
        followed, linked = (dict(orjson.loads(row["headers"])) for row in rows)
    assert (followed["traceparent"], followed["tracestate"]) == (TRACE, "desk=7")
    assert (linked["traceparent"], linked.get("tracestate")) == (other, None)


async def test_two_processes_share_the_work(platform: Platform, topic_prefix: str, topics: Wire) -> None:
    async with (
        tallying(platform, prefix=topic_prefix) as one,
        tallying(platform, prefix=topic_prefix, database_url=one.database_url) as two,
    ):
        await say_many(topics, [captured(f"o{number % 20}", number) for number in range(200)])
        await one.settled()
        assert await sums(one) == {f"o{number}": 10 for number in range(20)}
        handled = [
            sum(
                sample.value
                for sample in process.service.metrics.messages_handled.collect()[0].samples
                if sample.name.endswith("_total")
            )
            for process in (one, two)
        ]
        assert sum(handled) == 200 and all(handled)
        assert one.service.source.assignment().isdisjoint(two.service.source.assignment())
        said = await topics.expect(RefundIssued, count=200)
        assert amounts_by_order(said) == {f"o{number}": list(range(1, 11)) for number in range(20)}


async def test_a_new_group_reads_what_was_said_before_it_existed(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    await say_many(topics, [captured("early", number) for number in range(3)])
    async with tallying(platform, prefix=topic_prefix) as service:
        await service.settled()
        assert await sums(service) == {"early": 3}


async def test_what_comes_while_a_batch_is_in_hand_is_one_batch(
    platform: Platform, topic_prefix: str, topics: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_HELD_SECONDS", 3600.0)
    entered, release, sizes = asyncio.Event(), asyncio.Event(), []

    async def counts(handler: Any, messages: Sequence[Message[Any]], tx: Any) -> None:
        sizes.append(len(messages))
        entered.set()
        await release.wait()
        await handler(messages, tx)

    async with tallying(
        platform, prefix=topic_prefix, change=partial(wrap_handler, around=counts)
    ) as service:
        await topics.say(captured("o", 0))
        await entered.wait()
        for number in range(1, 31):
            await topics.say(captured("o", number))
        release.set()
        await service.settled()
        assert await sums(service) == {"o": 31}
    assert sizes == [1, 30]
