"""Payments that go wrong, and what people do about them."""

import pytest

from deploy.demo.players import Saying
from shared.contracts.orders import (
    OrderCompleted,
    PaymentCaptureRequested,
    PaymentRefundRequested,
    RefundIssued,
)
from shared.contracts.payments import PaymentFailed
from tests.harness.service import until
from tests.system.suite import Placed, Suite
from tests.system.test_scenarios import amounts, send_back

pytestmark = [pytest.mark.platform, pytest.mark.timeout(300)]


async def fails(order: Placed, request: PaymentCaptureRequested | PaymentRefundRequested) -> None:
    """The bank could not do it."""
    operation = "capture" if isinstance(request, PaymentCaptureRequested) else "refund"
    event = PaymentFailed(
        order_id=order.order_id, payment_id=request.payment_id, request_id=request.request_id,
        operation=operation, amount=request.amount, currency=request.currency, final=True, reason="card expired",
    )  # fmt: skip
    await order.suite.topics.say(Saying(event, f"{request.request_id}/failed"))


async def flagged(order: Placed) -> list[str]:
    """What an order needs a person for."""
    return [matter["kind"] for matter in (await order.look())["attention"] if matter["state"] == "open"]


async def test_a_failed_capture_is_flagged_and_asked_for_again_by_a_person(suite: Suite) -> None:
    sku = await suite.article(north=1)
    order = await suite.order((sku, 1, 1000))
    suite.silent_for.add(order.order_id)
    dispatched = await order.ship(*await order.parcels())
    await fails(order, await order.expect(PaymentCaptureRequested))

    async def needs_person() -> bool:
        return "capture_failed" in await flagged(order)

    await until(needs_person, "the failed capture is put before a person")
    listed = await suite.http.get(
        "orders", "/orders", needs="attention", external_id=order.body["external_id"]
    )
    assert [item["attention"][0]["next_action"] for item in listed.body["items"]] != []
    suite.silent_for.discard(order.order_id)
    await suite.http.must_post("orders", f"/orders/{order.order_id}/captures", {"reason": "new card"})
    await order.scan(dispatched, "delivered")
    await order.expect(OrderCompleted)
    await suite.settled()
    assert amounts(order, PaymentCaptureRequested) == [1490, 1490]
    assert await flagged(order) == []
    await suite.proves_true()


async def test_a_failed_refund_is_flagged_and_asked_for_again_by_a_person(suite: Suite) -> None:
    sku = await suite.article(north=1)
    order = await suite.order((sku, 1, 1000))
    await order.deliver(*await order.parcels())
    await order.expect(OrderCompleted)
    await suite.settled()
    suite.silent_for.add(order.order_id)
    await send_back(suite, order, 1, "all")
    await fails(order, await order.expect(PaymentRefundRequested))

    async def needs_person() -> bool:
        return "refund_failed" in await flagged(order)

    await until(needs_person, "the failed refund is put before a person")
    suite.silent_for.discard(order.order_id)
    await suite.http.must_post("orders", f"/orders/{order.order_id}/refunds", {"reason": "new account"})
    issued = await order.expect(RefundIssued)
    assert issued.amount == 1000
    await suite.proves_true()
    answer = await suite.http.get("returns", "/returns", order_id=order.order_id)
    assert [item["state"] for item in answer.body["items"]] == ["closed"]


async def test_money_given_back_by_hand_lowers_what_a_return_pays(suite: Suite) -> None:
    sku = await suite.article(north=1)
    order = await suite.order((sku, 1, 1000))
    await order.deliver(*await order.parcels())
    await order.expect(OrderCompleted)
    await suite.settled()
    gift = {"reason": "scratched", "amount": 600, "refund_id": "g1"}
    await suite.http.must_post("orders", f"/orders/{order.order_id}/refunds", gift)
    await suite.http.must_post("orders", f"/orders/{order.order_id}/refunds", gift)
    await order.expect(RefundIssued)
    await send_back(suite, order, 1, "all")
    await suite.settled()
    assert sum(amounts(order, PaymentRefundRequested)) == 1490
    too_much = await suite.http.post(
        "orders", f"/orders/{order.order_id}/refunds", {"reason": "more", "amount": 10_000, "refund_id": "g2"}
    )
    assert too_much.status == 409
    await suite.proves_true()
