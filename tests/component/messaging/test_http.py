"""The edge: whatever is sent, the answer is a problem document that says what to do, and no number of names grows."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from deploy.local import Platform
from tests.component.messaging.desk import create_router
from tests.harness.otlp import Sink
from tests.harness.service import Running, until
from tests.harness.tally import tallying

LIMIT = 2_048


@pytest.fixture
async def desk(platform: Platform) -> AsyncIterator[Running]:
    def install(service: Any) -> None:
        service.api = create_router

    async with tallying(
        platform, prefix="none.", roles=("api",), change=install, max_body_bytes=LIMIT
    ) as service:
        yield service


def is_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status and body["title"] and body["code"] and body["detail"]
    return body


async def post(desk: Running, content: Any, **more: Any) -> httpx.Response:
    return await desk.http.post(
        "/tallies", content=content, headers={"content-type": "application/json", **more}
    )


async def test_unknown_routes_and_methods(desk: Running) -> None:
    is_problem(await desk.http.get("/nowhere"), 404)
    answer = await desk.http.delete("/tallies")
    is_problem(answer, 405)
    assert answer.headers["allow"] == "POST"
    is_problem(await desk.http.request("PROPFIND", "/tallies"), 405)


async def test_bodies_over_the_limit(desk: Running) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(LIMIT):
            yield b"xy"

    is_problem(await post(desk, b"x" * (LIMIT + 1)), 413)
    is_problem(await post(desk, pieces()), 413)
    small = json.dumps({"order_id": "a", "amount": 1}).encode()

    async def two() -> AsyncIterator[bytes]:
        yield small[:5]
        yield small[5:]

    assert (await post(desk, two())).status_code == 201


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"<xml/>",
        b"\xff\xfe",
        b"[" * 2_000,
        b'{"order_id":"a","amount":' + b"9" * 1_900 + b"}",
        b"null",
        b'"x"',
    ],
    ids=lambda content: content[:10].decode("latin-1") or "empty",
)
async def test_bodies_that_are_no_such_document(desk: Running, content: bytes) -> None:
    answer = await post(desk, content)
    assert answer.status_code in (400, 422)
    is_problem(answer, answer.status_code)


async def test_all_faulty_fields_are_named_at_once(desk: Running) -> None:
    body = is_problem(await post(desk, b'{"order_id":"with blank","amount":-1.5}'), 422)
    assert {error["field"] for error in body["errors"]} == {"order_id", "amount"}
    assert all(error["problem"] for error in body["errors"])
    body = is_problem(await desk.http.post("/tallies?dry=perhaps", json={"order_id": "a"}), 422)
    assert {error["field"] for error in body["errors"]} == {"query.dry", "amount"}
    body = is_problem(await post(desk, b'{"order_id": "a", '), 422)
    assert [error["field"] for error in body["errors"]] == ["(body)"]
    body = is_problem(await post(desk, b'{"order_id":"a","amount":1}', **{"Idempotency-Key": "k" * 201}), 422)
    assert [error["field"] for error in body["errors"]] == ["header.Idempotency-Key"]


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800", "a\\u0000b"])
async def test_text_that_no_database_stores(desk: Running, text: str) -> None:
    is_problem(await post(desk, f'{{"order_id":"{text}","amount":1}}'.encode()), 422)


async def test_a_nul_in_the_address(desk: Running) -> None:
    is_problem(await desk.http.get("/tallies/a%00b"), 400)
    is_problem(await desk.http.get("/tallies/a?limit=%00"), 400)
    assert (await desk.http.get("/tallies/%ff%fe")).status_code == 200


async def test_names_in_metrics_stay_few(desk: Running) -> None:
    for number in range(5):
        await desk.http.get(f"/tallies/{number}")
        await desk.http.get(f"/nowhere/{number}")
    for verb in ("PROPFIND", "MKCOL", "LOCK"):
        await desk.http.request(verb, "/tallies")
    await post(desk, b"x" * (LIMIT + 1))
    page = (await desk.http.get("/metrics")).text
    found = re.findall(
        r'^oms_http_request_seconds_count{method="(\w+)",route="(.*?)",service="tally",status="(\d+)"',
        page,
        re.M,
    )
    assert set(found) == {
        ("GET", "/tallies/{order_id}", "200"),
        ("GET", "(none)", "404"),
        ("_OTHER", "/tallies", "405"),
        ("POST", "(none)", "413"),
    }


async def test_what_is_declared_is_measured(platform: Platform, topic_prefix: str, topics: Any) -> None:
    from tests.component.messaging.support import CURSED, captured

    async with tallying(platform, prefix=topic_prefix) as service:
        await topics.say(captured("a", 1))
        await topics.say(captured("a", 2, CURSED))
        await service.settled()
        wanted = (
            'oms_consumer_rebalances_total{group="tally",service="tally"} 1.0',
            'oms_consumer_rebalance_seconds_count{group="tally",service="tally"} 1.0',
            'oms_message_end_to_end_seconds_count{service="tally",topic="payment.captured"} 1.0',
            'oms_dead_letters{service="tally",topic="payment.captured"} 1.0',
            'oms_consumer_assigned_partitions{group="tally",service="tally"} ',
            'oms_outbox_leader{service="tally",shard="0"} 1.0',
            "process_resident_memory_bytes",
        )

        async def all_there() -> bool:
            page = (await service.http.get("/metrics")).text
            oldest = [line for line in page.splitlines() if line.startswith("oms_dead_letter_oldest_seconds")]
            return all(text in page for text in wanted) and float(oldest[0].split()[-1]) > 0

        await until(all_there, f"metrics show {wanted}")


async def test_spans_are_named_by_route_and_probes_have_none(platform: Platform) -> None:
    def install(service: Any) -> None:
        service.api = create_router

    with Sink() as sink:
        async with tallying(
            platform,
            prefix="none.",
            roles=("api",),
            change=install,
            otlp_endpoint=sink.endpoint,
            trace_ratio=1.0,
        ) as desk:
            for path in ("/health", "/ready", "/metrics", "/tallies/one", "/tallies/two", "/nowhere"):
                await desk.http.get(path)
            await asyncio.to_thread(desk.service.tracing.shutdown)
        names = sorted(span.name for span in sink.spans if span.name.startswith("GET"))
        assert names == ["GET (none)", "GET /tallies/{order_id}", "GET /tallies/{order_id}"]


async def test_a_client_that_asks_too_often_waits_and_others_do_not(platform: Platform) -> None:
    def install(service: Any) -> None:
        service.api = create_router

    async with tallying(
        platform,
        prefix="none.",
        roles=("api",),
        change=install,
        client_rate=0.01,
        client_burst=2,
        client_header="X-Client-Id",
    ) as desk:
        greedy = [await desk.http.get("/tallies/a", headers={"x-client-id": "greedy"}) for _ in range(3)]
        assert [answer.status_code for answer in greedy] == [200, 200, 429]
        is_problem(greedy[2], 429)
        assert 1 <= int(greedy[2].headers["retry-after"]) <= 100
        assert (await desk.http.get("/tallies/a", headers={"x-client-id": "other"})).status_code == 200
        # Probes are asked by the machine that keeps the process alive.
        assert [(await desk.http.get("/health")).status_code for _ in range(5)] == [200] * 5
