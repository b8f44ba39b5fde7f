"""What is remembered and what is said: both in the transaction of their cause, or not at all."""

import asyncio
import uuid

import pytest

from deploy.local import Platform
from shared.contracts.envelope import MAX_BODY_BYTES
from shared.contracts.orders import RefundIssued
from shared.db.ids import new_id
from shared.messaging.inbox import first_time
from shared.messaging.outbox import Unsendable
from tests.component.messaging.support import captured
from tests.harness.service import Running, Wire
from tests.harness.tally import sums, tallies, tallying


class NobodyKnowsThis(RefundIssued):
    """An event that no registry lists."""


def refund(**more: object) -> RefundIssued:
    fields = {"order_id": "o", "request_id": "r", "payment_id": "p", "amount": 1, "currency": "EUR", **more}
    return RefundIssued.model_validate(fields)


async def rows(service: Running, table: str) -> int:
    return len(await service.rows(f"SELECT 1 FROM {table}"))


@pytest.mark.parametrize(
    "event",
    [refund(return_ids=["r" * 64] * (MAX_BODY_BYTES // 60)), NobodyKnowsThis(**refund().model_dump())],
    ids=["too large", "unknown"],
)
async def test_what_nobody_could_read_aborts_the_transaction(
    platform: Platform, topic_prefix: str, event: RefundIssued
) -> None:
    async with tallying(platform, prefix=topic_prefix, roles=("api",)) as service:
        with pytest.raises(Unsendable):
            async with service.service.unit.begin() as (session, tx):
                await session.insert(tallies, [{"order_id": "o", "total": 1, "count": 1}])
                tx.emit(refund(), trace="")
                tx.emit(event, trace="")
        assert (await rows(service, "tallies"), await rows(service, "outbox")) == (0, 0)


async def test_the_relay_is_woken_after_the_commit_and_only_then(
    platform: Platform, topic_prefix: str
) -> None:
    async with tallying(platform, prefix=topic_prefix, roles=("api",)) as service:
        relay = service.service.relays[0]
        with pytest.raises(KeyError):
            async with service.service.transaction() as tx:
                tx.emit(refund(), trace="")
                raise KeyError
        assert not relay._committed.is_set()
        async with service.service.transaction():
            pass
        assert not relay._committed.is_set()
        async with service.service.transaction() as tx:
            tx.emit(refund(), trace="")
            assert not relay._committed.is_set()
        assert relay._committed.is_set()
        assert await rows(service, "outbox") == 1


async def test_the_same_id_of_two_sources_is_two_messages(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    same = new_id()
    async with tallying(platform, prefix=topic_prefix) as service:
        for source in ("/shop", "/market", "/oms/orders"):
            await topics.say(captured("a", 1), message_id=same, source=source, copies=2)
        await service.settled()
        assert await sums(service) == {"a": 3}
        assert uuid.UUID(same) in {
            row["message_id"] for row in await service.rows("SELECT message_id FROM inbox")
        }


async def test_claims_in_opposite_order_do_not_deadlock_and_each_is_won_once(
    platform: Platform, topic_prefix: str
) -> None:
    ids = [new_id() for _ in range(500)]
    async with tallying(platform, prefix=topic_prefix, roles=("api",)) as service:

        async def claim(order: list[str]) -> int:
            async with service.service.unit.begin() as (session, _):
                return len(await first_time(session, "c", order))

        for _ in range(5):
            batch = [new_id() for _ in ids]
            won = await asyncio.gather(*(claim(order) for order in (batch, batch[::-1], batch, batch[::-1])))
            assert sum(won) == len(batch)
        async with service.service.unit.begin() as (session, _):
            assert len(await first_time(session, "c", [ids[0], ids[0]])) == 1
        async with service.service.unit.begin() as (session, _):
            assert len(await first_time(session, "another consumer", [ids[0]])) == 1
