"""What people may do with an order, and what they are told when it is too late."""

from shared.contracts.orders import (
    OrderConfirmed,
    PaymentCaptureRequested,
    PaymentRefundRequested,
    RefundIssued,
)
from shared.contracts.payments import PaymentAuthorized
from shared.db.ids import new_id
from tests.component.orders import world as say
from tests.component.orders.conftest import World
from tests.harness.service import until


async def test_a_hold_keeps_an_order_from_being_confirmed_until_it_is_released(world: World) -> None:
    order_id = await world.place()
    held = await world.post(f"/orders/{order_id}/hold", {"reason": "check address", "hold_id": "fraud"})
    assert (held.status_code, held.json()["state"]) == (202, "on_hold")
    assert (
        await world.post(f"/orders/{order_id}/hold", {"reason": "again", "hold_id": "fraud"})
    ).status_code == 200
    await world.topics.say(say.reserved(order_id))
    await world.topics.say(say.authorized(order_id))

    async def funded() -> bool:
        shown = await world.show(order_id)
        return shown["funds"] == 7500 and bool(shown["shipments"])

    await until(funded, "reserved and authorised")
    assert not world.topics.all(OrderConfirmed, world.about(order_id))
    unknown = await world.post(f"/orders/{order_id}/release", {"hold_id": "other"})
    assert (unknown.status_code, unknown.json()["code"]) == (409, "unknown_hold")
    released = await world.post(f"/orders/{order_id}/release", {"hold_id": "fraud", "reason": "fine"})
    assert (released.status_code, released.json()["state"]) == (202, "awaiting_shipment")
    await world.topics.expect(OrderConfirmed, world.about(order_id))
    late = await world.post(f"/orders/{order_id}/hold", {"reason": "too late"})
    assert (late.status_code, late.json()["code"]) == (409, "already_confirmed") and "Cancel" in late.json()[
        "detail"
    ]


async def test_a_refund_by_hand_is_paid_once_and_stays_within_what_was_captured(world: World) -> None:
    order_id = await world.place()
    too_early = await world.post(f"/orders/{order_id}/refunds", {"amount": 1, "reason": "late"})
    assert (too_early.status_code, too_early.json()["code"]) == (409, "more_than_captured")
    await world.topics.say(say.reserved(order_id))
    await world.topics.say(say.sale(order_id))
    await world.until_state(order_id, "awaiting_shipment")
    wish = {"amount": 1000, "reason": "for the trouble", "refund_id": "gift-1"}
    assert (await world.post(f"/orders/{order_id}/refunds", wish)).status_code == 202
    assert (await world.post(f"/orders/{order_id}/refunds", wish)).status_code == 200
    other = await world.post(f"/orders/{order_id}/refunds", {**wish, "amount": 2000})
    assert (other.status_code, other.json()["code"]) == (409, "refund_differs")
    asked = await world.topics.expect(PaymentRefundRequested, world.about(order_id))
    assert (asked.amount, asked.reason) == (1000, "for the trouble")
    await world.topics.say(say.refunded(asked), copies=2)
    assert (await world.topics.expect(RefundIssued, world.about(order_id))).amount == 1000
    more = await world.post(f"/orders/{order_id}/refunds", {"amount": 6501, "reason": "all"})
    assert "6500" in more.json()["detail"]
    await world.service.settled()
    assert len(world.topics.all(PaymentRefundRequested, world.about(order_id))) == 1
    assert len(world.topics.all(RefundIssued, world.about(order_id))) == 1


async def test_a_failed_refund_waits_for_a_person_and_can_be_asked_for_again(world: World) -> None:
    order_id = await world.place()
    mine = world.about(order_id)
    await world.topics.say(say.sale(order_id))
    await world.until_state(order_id, "awaiting_stock")
    await world.post(f"/orders/{order_id}/cancel", {"reason": "no"})
    asked = await world.topics.expect(PaymentRefundRequested, mine)
    await world.topics.say(say.failed(asked, "refund"))
    matter = await world.until_flagged(order_id, "refund_failed")
    assert matter["state"] == "open"
    assert (
        await world.post(f"/orders/{order_id}/refunds", {"reason": "account open again"})
    ).status_code == 202
    second = (await world.topics.expect(PaymentRefundRequested, mine, count=2))[1]
    assert second.amount == asked.amount and second.request_id != asked.request_id


async def test_several_payments_add_up_and_are_collected_in_turn(world: World) -> None:
    order_id = await world.place()
    mine = world.about(order_id)
    await world.topics.say(say.reserved(order_id))
    await world.topics.say(say.authorized(order_id, 5000, "A"))
    await world.until_state(order_id, "awaiting_payment")
    await world.topics.say(say.authorized(order_id, 4000, "B"))
    await world.topics.expect(OrderConfirmed, mine)
    await world.topics.say(say.dispatched(order_id))
    asked = await world.topics.expect(PaymentCaptureRequested, mine, count=2)
    assert {request.payment_id: request.amount for request in asked} == {"A": 5000, "B": 2500}


async def test_money_in_another_currency_is_not_counted_and_put_before_a_person(world: World) -> None:
    order_id = await world.place()
    await world.topics.say(say.reserved(order_id))
    await world.topics.say(PaymentAuthorized(order_id=order_id, payment_id="X", amount=7500, currency="USD"))
    matter = await world.until_flagged(order_id, "contradiction")
    assert "USD" in matter["reason"]
    assert (await world.show(order_id))["state"] == "awaiting_payment"


async def test_what_is_said_of_an_order_that_is_not_here_is_parked(world: World) -> None:
    stranger, known = new_id(), await world.place()
    # More than the breaker bears: they say nothing of this release.
    for number in range(25):
        await world.topics.say(say.authorized(stranger, payment_id=f"P{number}"))
    await world.topics.say(say.authorized(known))

    async def parked() -> bool:
        rows = await world.service.rows("SELECT error FROM dead_letters WHERE reason = 'unknown_order'")
        return sum(stranger in row["error"] for row in rows) == 25

    await until(parked, "the message is parked")

    async def funded() -> bool:
        return bool((await world.show(known))["funds"] == 7500)

    await until(funded, "the next message was handled")


async def test_commands_about_an_order_that_is_not_here_say_so(world: World) -> None:
    for path, body in (
        ("cancel", {"reason": "x"}),
        ("hold", {"reason": "x"}),
        ("release", {}),
        ("captures", {}),
        ("refunds", {"reason": "x"}),
        ("payments", {"reason": "x", "amount": 1, "method": "cash"}),
        ("attention/1/resolve", {"reason": "x"}),
    ):
        answer = await world.post(f"/orders/none/{path}", body)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_order"), path
    order_id = await world.place()
    none = await world.post(f"/orders/{order_id}/attention/1/resolve", {"reason": "x"})
    assert (none.status_code, none.json()["code"]) == (409, "unknown_attention")
