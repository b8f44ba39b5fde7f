"""What goes in has its effect once and comes out in order."""

from collections import defaultdict

from deploy.local import Platform
from shared.contracts.orders import RefundIssued
from shared.contracts.payments import PaymentCaptured
from tests.harness.service import wire
from tests.harness.tally import sums, tallying


def captured(order: str, number: int, amount: int = 1) -> PaymentCaptured:
    return PaymentCaptured(order_id=order, payment_id=f"{order}-p{number}", amount=amount, currency="EUR")


async def test_every_message_counts_once_and_answers_leave_in_order(platform: Platform, topic_prefix: str) -> None:
    async with tallying(platform, prefix=topic_prefix) as service, wire(platform, topic_prefix) as topics:
        for number in range(40):
            await topics.say(captured(f"o{number % 8}", number), copies=1 + number % 3)
        await service.settled()
        assert await sums(service) == {f"o{number}": 5 for number in range(8)}
        said = await topics.expect(RefundIssued, count=40)
        per_order = defaultdict(list)
        for event in said:
            per_order[event.order_id].append(event.amount)
        assert per_order == {f"o{number}": [1, 2, 3, 4, 5] for number in range(8)}
        assert len(topics.all(RefundIssued)) == 40
