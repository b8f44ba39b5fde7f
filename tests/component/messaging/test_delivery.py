"""What goes in has its effect once and comes out in order."""

from deploy.local import Platform
from shared.contracts.orders import RefundIssued
from tests.component.messaging.support import amounts_by_order, captured, say_many
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
                for sample in process.service.consumer._handled.collect()[0].samples
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
