"""The life of an order, seen from orders alone."""

from shared.contracts.orders import (
    OrderCancelled,
    OrderCancelRequested,
    OrderCompleted,
    OrderConfirmed,
    OrderPlaced,
    PaymentCaptureRequested,
    PaymentRefundRequested,
    PaymentVoidRequested,
    RefundIssued,
)
from shared.contracts.returns import ReceivedUnits, ReturnReceived
from shared.db.ids import new_id, shipment_id
from tests.component.orders import world as say
from tests.component.orders.conftest import World
from tests.harness.service import until


async def test_an_order_over_two_places_is_confirmed_collected_by_shares_and_completed(world: World) -> None:
    order_id = await world.place()
    mine = world.about(order_id)
    assert (await world.show(order_id))["state"] == "awaiting_stock"
    placed = await world.topics.expect(OrderPlaced, mine)
    assert (placed.total, placed.contact.name) == (7500, "Ada Example")

    await world.topics.say(say.reserved(order_id, {"BERLIN": {"1": 2, "2": 1}, "HAMBURG": {"1": 1}}))
    await world.until_state(order_id, "awaiting_payment")
    await world.topics.say(say.authorized(order_id))
    confirmed = await world.topics.expect(OrderConfirmed, mine)
    shares = {place.place_id: place.shipping for place in confirmed.places}
    for allocation in confirmed.allocations:
        shares[allocation.place_id] += allocation.value
    assert shares == {"BERLIN": 6000 + 429, "HAMBURG": 1000 + 71}

    for number, (place, share) in enumerate(shares.items(), start=1):
        await world.topics.say(say.created(order_id, place))
        await world.topics.say(say.dispatched(order_id, place))
        await world.topics.expect(PaymentCaptureRequested, mine, count=number)
        asked = world.topics.all(PaymentCaptureRequested, mine)[-1]
        assert asked.amount == share
        await world.topics.say(say.captured(asked), copies=2)
        await world.topics.say(say.delivered(order_id, place))
    await world.topics.expect(OrderCompleted, mine)
    shown = await world.until_state(order_id, "completed")
    assert (shown["captured"], shown["due"], shown["owed"], shown["attention"]) == (7500, 0, 0, [])
    sequences = [happening["sequence"] for happening in shown["timeline"]]
    assert sequences == list(range(1, len(sequences) + 1)) and sequences[-1] == shown["version"]


async def test_facts_in_the_wrong_order_and_twice_lead_to_the_same_end(world: World) -> None:
    order_id = await world.place()
    mine = world.about(order_id)
    await world.topics.say(say.authorized(order_id), copies=2)
    await world.topics.say(say.reserved(order_id), copies=2)
    await world.topics.expect(OrderConfirmed, mine)
    for late in (say.delivered(order_id), say.dispatched(order_id), say.created(order_id)):
        await world.topics.say(late, copies=2)
    asked = await world.topics.expect(PaymentCaptureRequested, mine)
    await world.topics.say(say.captured(asked))
    shown = await world.until_state(order_id, "completed")
    await world.service.settled()
    for model in (OrderPlaced, OrderConfirmed, OrderCompleted, PaymentCaptureRequested):
        assert len(world.topics.all(model, mine)) == 1, model.topic
    assert shown["shipments"][0]["state"] == "delivered"
    contents = [
        (units["line_id"], units["sku"], units["quantity"]) for units in shown["shipments"][0]["contents"]
    ]
    assert contents == [("1", "MUG", 3), ("2", "LAMP", 1)]


async def test_a_lost_parcel_is_collected_and_paid_back_and_so_is_a_return(world: World) -> None:
    order_id = await world.confirm({"BERLIN": {"1": 3}, "HAMBURG": {"2": 1}})
    mine = world.about(order_id)
    for number, (place, end) in enumerate((("BERLIN", say.lost), ("HAMBURG", say.delivered)), start=1):
        await world.topics.say(say.dispatched(order_id, place))
        await world.topics.expect(PaymentCaptureRequested, mine, count=number)
        await world.topics.say(say.captured(world.topics.all(PaymentCaptureRequested, mine)[-1]))
        await world.topics.say(end(order_id, place))
    lost = await world.topics.expect(PaymentRefundRequested, mine)
    assert (lost.amount, lost.shipment_ids) == (3214, (shipment_id(order_id, "BERLIN"),))
    await world.topics.say(say.refunded(lost))
    issued = await world.topics.expect(RefundIssued, mine)
    assert (issued.amount, issued.shipment_ids) == (3214, lost.shipment_ids)

    unit = ReceivedUnits(
        shipment_id=shipment_id(order_id, "HAMBURG"), line_id="2", sku="LAMP", quantity=1, condition="used",
        disposition="quarantine",
    )  # fmt: skip
    back = ReturnReceived(
        order_id=order_id, return_id=new_id(), place_id="HAMBURG", units=(unit,), value=4000, currency="EUR"
    )
    await world.topics.say(back, copies=2)
    asked_back = (await world.topics.expect(PaymentRefundRequested, mine, count=2))[1]
    assert (asked_back.amount, asked_back.return_ids, asked_back.shipment_ids) == (
        4000,
        (back.return_id,),
        (),
    )
    await world.topics.say(say.refunded(asked_back))
    assert (await world.topics.expect(RefundIssued, mine, count=2))[1].return_ids == (back.return_id,)
    shown = await world.until_state(order_id, "completed")
    assert (shown["captured"], shown["refunds"]) == (7500, 7214)


async def test_a_cancellation_after_confirmation_is_asked_of_fulfilment_and_then_true(world: World) -> None:
    order_id = await world.confirm()
    mine = world.about(order_id)
    answer = await world.post(f"/orders/{order_id}/cancel", {"reason": "wrong size"}, X_Actor="Ada")
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelling")
    again = await world.post(f"/orders/{order_id}/cancel", {"reason": "wrong size"})
    assert again.status_code == 200
    request = await world.topics.expect(OrderCancelRequested, mine)
    assert (request.reason, request.requested_by) == ("wrong size", "Ada")
    await world.topics.say(say.cancelled_as_asked(order_id))
    assert (await world.topics.expect(OrderCancelled, mine)).reason == "cancel_requested"
    void = await world.topics.expect(PaymentVoidRequested, mine)
    assert void.amount == 7500
    await world.topics.say(say.voided(void))
    shown = await world.until_state(order_id, "cancelled")
    assert len(world.topics.all(OrderCancelRequested, mine)) == 1 and shown["cancel_wanted"]["by"] == "Ada"


async def test_a_capture_after_the_cancellation_is_paid_back(world: World) -> None:
    order_id = await world.place()
    mine = world.about(order_id)
    assert (await world.post(f"/orders/{order_id}/cancel", {"reason": "no"})).json()["state"] == "cancelled"
    sale = say.sale(order_id)
    await world.topics.say(sale)
    refund = await world.topics.expect(PaymentRefundRequested, mine)
    assert (refund.amount, refund.payment_id) == (7500, sale.payment_id)
    late = say.authorized(order_id, 7500, "P2")
    await world.topics.say(late)
    void = await world.topics.expect(PaymentVoidRequested, mine)
    assert (void.amount, void.payment_id) == (7500, "P2")


async def test_a_failed_capture_waits_for_a_person_who_asks_again(world: World) -> None:
    order_id = await world.confirm()
    mine = world.about(order_id)
    await world.topics.say(say.dispatched(order_id))
    asked = await world.topics.expect(PaymentCaptureRequested, mine)
    await world.topics.say(say.failed(asked, "capture"))
    await world.topics.say(say.delivered(order_id))
    matter = await world.until_flagged(order_id, "capture_failed")
    assert "/captures" in matter["next_action"] and "the bank refused" in matter["reason"]
    await world.until_state(order_id, "completed")
    listed = (await world.service.http.get("/orders", params={"needs": "attention", "limit": 500})).json()
    mine_listed = [item for item in listed["items"] if item["order_id"] == order_id]
    assert {one["kind"] for one in mine_listed[0]["attention"]} == {"capture_failed"}
    assert not world.topics.all(PaymentVoidRequested, mine)

    assert (await world.post(f"/orders/{order_id}/captures", {})).status_code == 202
    second = (await world.topics.expect(PaymentCaptureRequested, mine, count=2))[1]
    assert second.request_id != asked.request_id and second.amount == 7500
    await world.topics.say(say.captured(second))

    async def quiet() -> bool:
        return not [one for one in (await world.show(order_id))["attention"] if one["state"] == "open"]

    await until(quiet, "nothing is open")
    assert (await world.post(f"/orders/{order_id}/captures", {})).status_code == 200
    healthy = await world.place()
    assert (await world.post(f"/orders/{healthy}/captures", {})).json()["code"] == "nothing_failed"


async def test_a_failed_capture_that_a_person_gives_up_frees_the_authorisation(world: World) -> None:
    order_id = await world.confirm()
    mine = world.about(order_id)
    await world.topics.say(say.dispatched(order_id))
    asked = await world.topics.expect(PaymentCaptureRequested, mine)
    await world.topics.say(say.failed(asked, "capture"))
    await world.topics.say(say.delivered(order_id))
    await world.until_state(order_id, "completed")
    matter = await world.until_flagged(order_id, "capture_failed")
    resolved = await world.post(
        f"/orders/{order_id}/attention/{matter['attention_id']}/resolve",
        {"reason": "wrote it off"},
        X_Actor="Bo",
    )
    assert resolved.status_code == 202
    assert (await world.topics.expect(PaymentVoidRequested, mine)).amount == 7500
    item = await world.until_flagged(order_id, "capture_failed")
    assert (item["state"], item["resolved"]["by"], item["resolved"]["why"]) == (
        "resolved",
        "Bo",
        "wrote it off",
    )
