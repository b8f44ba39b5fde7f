"""Commands: many share a transaction, each counts once under its key, and one at fault harms no other."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from deploy.local import Platform
from shared.db.ids import new_id
from tests.component.messaging.desk import add, create_router
from tests.harness.service import Running, until
from tests.harness.tally import sums, tallying


@pytest.fixture
async def desk(platform: Platform) -> AsyncIterator[Running]:
    def install(service: Any) -> None:
        service.api = create_router

    async with tallying(platform, prefix="none.", roles=("api",), change=install) as service:
        yield service


def transactions(desk: Running) -> list[int]:
    """How many commands each transaction carried, from now on."""
    sizes: list[int] = []
    transact = desk.service.commands._transact

    async def counted(handler: Any, requests: Any) -> Any:
        sizes.append(len(requests))
        return await transact(handler, requests)

    desk.service.commands._transact = counted  # type: ignore[method-assign]
    return sizes


async def post(
    desk: Running, order: str, amount: int, key: str | None = None, path: str = "/tallies"
) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await desk.http.post(path, json={"order_id": order, "amount": amount}, headers=headers)


async def test_concurrent_requests_share_transactions_and_all_count(desk: Running) -> None:
    sizes = transactions(desk)
    answers = await asyncio.gather(*(post(desk, "a", 1) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {201}
    assert sorted(answer.json()["total"] for answer in answers) == list(range(1, 51))
    assert sum(sizes) == 50 and len(sizes) < 25


async def test_one_that_fails_or_is_refused_harms_no_other(desk: Running) -> None:
    amounts = [13 if n % 10 == 4 else 5_000 if n % 10 == 7 else 1 for n in range(40)]
    answers = await asyncio.gather(*(post(desk, "a", amount) for amount in amounts))
    for amount, answer in zip(amounts, answers, strict=True):
        assert answer.status_code == {13: 500, 5_000: 409, 1: 201}[amount]
    assert await sums(desk) == {"a": 32}
    [refusal, *_] = [answer for answer in answers if answer.status_code == 409]
    assert refusal.headers["content-type"] == "application/problem+json"
    assert refusal.json()["code"] == "too_much"


async def test_the_same_key_answers_the_same_and_counts_once(desk: Running) -> None:
    key = new_id()
    first = await post(desk, "a", 5, key)
    again = await post(desk, "a", 5, key)
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert again.headers["Idempotent-Replayed"] == "true" and "Idempotent-Replayed" not in first.headers
    for other in (await post(desk, "a", 6, key), await post(desk, "a", 5, key, "/tallies?dry=true")):
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await sums(desk) == {"a": 5}
    assert (await post(desk, "a", 5, new_id())).json()["total"] == 10


async def test_a_refusal_and_a_fault_free_their_key(desk: Running) -> None:
    for amount, status in ((5_000, 409), (13, 500)):
        key = new_id()
        assert (await post(desk, "a", amount, key)).status_code == status
        assert (await post(desk, "a", 1, key)).status_code == 201
    assert await sums(desk) == {"a": 2}


async def test_the_same_key_at_the_same_time_counts_once(desk: Running, platform: Platform) -> None:
    def install(service: Any) -> None:
        service.api = create_router

    async with tallying(
        platform, prefix="none.", roles=("api",), change=install, database_url=desk.database_url
    ) as second:
        for _ in range(5):
            key = new_id()
            answers = await asyncio.gather(*(post(process, "a", 1, key) for process in (desk, second) * 5))
            assert {answer.status_code for answer in answers} == {201}
            assert len({answer.json()["total"] for answer in answers}) == 1
            assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert await sums(desk) == {"a": 5}


async def test_who_hangs_up_undoes_nothing(desk: Running) -> None:
    entered, release = asyncio.Event(), asyncio.Event()
    transact = desk.service.commands._transact

    async def held(handler: Any, requests: Any) -> Any:
        entered.set()
        await release.wait()
        return await transact(handler, requests)

    desk.service.commands._transact = held  # type: ignore[method-assign]
    impatient = asyncio.create_task(post(desk, "a", 1))
    await entered.wait()
    patient = asyncio.create_task(post(desk, "a", 2))
    impatient.cancel()
    await until(lambda: desk.service.commands._lanes[add].waiting, "the second waits")
    release.set()
    assert (await patient).status_code == 201
    assert await sums(desk) == {"a": 3}


async def test_a_command_waits_for_a_database_that_restarts(desk: Running, platform: Platform) -> None:
    assert (await post(desk, "a", 1)).status_code == 201
    await asyncio.to_thread(platform.stop_postgres, "immediate")
    try:
        key = new_id()
        answer = await post(desk, "a", 2, key)
        assert answer.status_code == 503 and answer.headers["Retry-After"]
        assert answer.headers["content-type"] == "application/problem+json"
        assert (await desk.http.get("/tallies/a")).status_code == 503
    finally:
        await asyncio.to_thread(platform.start_postgres)
    assert (await post(desk, "a", 2, key)).status_code == 201
    assert await sums(desk) == {"a": 3}
