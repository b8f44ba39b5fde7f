"""Money that people move themselves, through the API and the topics."""

from typing import Any

from shared.contracts.orders import OrderCompleted, OrderConfirmed, PaymentRefundRequested, RefundIssued
from shared.contracts.returns import ReceivedUnits, ReturnReceived
from shared.db.ids import new_id, shipment_id
from tests.component.orders import world as say
from tests.component.orders.conftest import World

CASH = {"amount": 7500, "method": "cash", "reason": "paid at the counter", "payment_id": "till-1"}


async def _resolve(world: World, order_id: str, matter: dict[str, Any], amount: int) -> Any:
    path = f"/orders/{order_id}/attention/{matter['attention_id']}/resolve"
    return await world.post(path, {"reason": "by bank transfer", "amount": amount}, X_Actor="Bo")


async def test_an_order_paid_in_cash_is_shipped_and_paid_back_by_people(world: World) -> None:
    order_id = await world.place()
    mine = world.about(order_id)
    await world.topics.say(say.reserved(order_id))
    await world.until_state(order_id, "awaiting_payment")
    for body, field in (({**CASH, "amount": 0}, "amount"), ({**CASH, "method": ""}, "method")):
        wrong = await world.post(f"/orders/{order_id}/payments", body)
        assert wrong.status_code == 422 and wrong.json()["errors"][0]["field"].endswith(field)
    assert (await world.post(f"/orders/{order_id}/payments", CASH)).status_code == 202
    assert (await world.post(f"/orders/{order_id}/payments", CASH)).status_code == 200
    other = await world.post(f"/orders/{order_id}/payments", {**CASH, "amount": 1})
    assert (other.status_code, other.json()["code"]) == (409, "payment_differs")
    await world.topics.expect(OrderConfirmed, mine)

    await world.topics.say(say.lost(order_id))
    matter = await world.until_flagged(order_id, "refund_by_hand")
    assert matter["amount"] == 7500 and "till-1" in matter["reason"] and "cash" in matter["reason"]
    changed = await _resolve(world, order_id, matter, 7000)
    assert (changed.status_code, changed.json()["code"]) == (409, "amount_changed")
    assert "7500" in changed.json()["detail"]
    assert (await _resolve(world, order_id, matter, 7500)).status_code == 202
    assert (await world.topics.expect(RefundIssued, mine)).amount == 7500
    shown = await world.show(order_id)
    assert [(one["operation"], one["state"]) for one in shown["requests"]] == [("refund", "settled")]
    assert shown["payments"][0]["by_hand"] and shown["owed"] == 0
    await world.service.settled()
    assert not world.topics.all(PaymentRefundRequested, mine), "the payment service does not know of the cash"


async def test_a_refund_paid_by_hand_is_not_asked_for_again(world: World) -> None:
    order_id = await world.place()
    mine = world.about(order_id)
    await world.topics.say(say.sale(order_id))
    await world.until_state(order_id, "awaiting_stock")
    await world.post(f"/orders/{order_id}/cancel", {"reason": "no"})
    asked = await world.topics.expect(PaymentRefundRequested, mine)
    await world.topics.say(say.failed(asked, "refund"))
    matter = await world.until_flagged(order_id, "refund_failed")
    assert (await _resolve(world, order_id, matter, 7500)).status_code == 202
    told = await world.topics.expect(RefundIssued, mine)
    assert (told.amount, told.request_id) == (7500, f"{asked.request_id}.h1")
    again = await world.post(f"/orders/{order_id}/refunds", {"reason": "again"})
    assert (again.status_code, again.json()["code"]) == (409, "nothing_failed")
    more = await world.post(f"/orders/{order_id}/refunds", {"reason": "again", "amount": 1})
    assert (more.status_code, more.json()["code"]) == (409, "more_than_captured")


async def test_a_return_after_everything_was_paid_back_is_closed_without_money(world: World) -> None:
    order_id = await world.place()
    mine = world.about(order_id)
    await world.topics.say(say.reserved(order_id))
    await world.topics.say(say.sale(order_id))
    await world.topics.expect(OrderConfirmed, mine)
    await world.topics.say(say.delivered(order_id))
    await world.topics.expect(OrderCompleted, mine)
    await world.post(f"/orders/{order_id}/refunds", {"amount": 7500, "reason": "sorry"})
    await world.topics.say(say.refunded(await world.topics.expect(PaymentRefundRequested, mine)))
    await world.topics.expect(RefundIssued, mine)
    parcel = shipment_id(order_id, "BERLIN")
    unit = ReceivedUnits(
        shipment_id=parcel,
        line_id="1",
        sku="MUG",
        quantity=1,
        condition="new",
        disposition="restock",
        value=2000,
    )
    back = ReturnReceived(
        order_id=order_id, return_id=new_id(), place_id="BERLIN", units=(unit,), value=2000, currency="EUR"
    )
    await world.topics.say(back, copies=2)
    closed = (await world.topics.expect(RefundIssued, mine, count=2))[1]
    assert (closed.amount, closed.return_ids) == (0, (back.return_id,))
    await world.service.settled()
    assert len(world.topics.all(RefundIssued, mine)) == 2
    assert len(world.topics.all(PaymentRefundRequested, mine)) == 1
