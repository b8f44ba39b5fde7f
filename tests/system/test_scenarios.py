"""The suite from end to end, told as what happens to single orders. After each of them every invariant holds."""

from collections.abc import AsyncIterator

import pytest

from deploy.demo.players import Saying
from shared.contracts.channels import OrderCancelSubmitted
from shared.contracts.fulfillment import (
    ShipmentCancelled,
    ShipmentCancelRefused,
    ShipmentCreated,
    ShipmentDelivered,
    ShipmentLost,
    ShipmentReturnedToSender,
)
from shared.contracts.inventory import StockRejected, StockReserved
from shared.contracts.orders import (
    OrderCancelled,
    OrderCompleted,
    OrderConfirmed,
    OrderRefused,
    PaymentCaptureRequested,
    PaymentRefundRequested,
    PaymentVoidRequested,
    RefundIssued,
)
from shared.contracts.returns import ReturnAuthorized, ReturnReceived
from tests.harness.service import until
from tests.system.suite import NORTH, SOUTH, Placed, Suite

# The first one waits for five processes to start; on a busy machine that takes a while.
pytestmark = [pytest.mark.platform, pytest.mark.timeout(300)]


@pytest.fixture(autouse=True)
async def proven(suite: Suite) -> AsyncIterator[None]:
    """Whatever a scenario did, nothing may be untrue afterwards."""
    yield
    await suite.proves_true()


async def stock(suite: Suite, sku: str) -> dict[str, dict[str, int]]:
    """A SKU's counters by place."""
    answer = await suite.http.get("inventory", "/availability", sku=sku)
    assert answer.ok, answer
    (entry,) = answer.body
    return {place["place_id"]: place for place in entry["places"]}


def amounts(order: Placed, model: type) -> list[int]:  # type: ignore[type-arg]
    return [request.amount for request in order.said(model)]


async def test_an_order_goes_from_intake_to_the_customer(suite: Suite) -> None:
    sku = await suite.article(north=5)
    order = await suite.order((sku, 2, 1995))
    (parcel,) = await order.parcels()
    assert parcel.place_id == NORTH
    assert (await stock(suite, sku))[NORTH]["reserved"] == 2
    await order.deliver(parcel)
    await order.expect(OrderCompleted)
    await suite.settled()
    seen = await order.state("completed")
    assert seen["total"] == 2 * 1995 + 490
    assert amounts(order, PaymentCaptureRequested) == [2 * 1995 + 490]
    level = (await stock(suite, sku))[NORTH]
    assert (level["on_hand"], level["reserved"], level["available"]) == (3, 0, 3)
    await until(lambda: len(suite.mails_to(order)) == 3, "confirmed, shipped and delivered were told")


async def test_an_order_by_topic_sent_three_times_is_one_order(suite: Suite) -> None:
    sku = await suite.article(north=5)
    body = suite.body((sku, 1, 500))
    order = await suite.place(body, by_topic=True)
    again = await suite.place(body, by_topic=True, pays=None)
    answer = await suite.http.post("orders", "/orders", body)
    assert (answer.status, answer.body["order_id"]) == (200, order.order_id)
    assert again.order_id == order.order_id
    await order.deliver(*await order.parcels())
    await order.expect(OrderCompleted)
    assert (await stock(suite, sku))[NORTH]["on_hand"] == 4


async def test_another_order_under_the_same_name_is_refused_and_names_the_field(suite: Suite) -> None:
    sku = await suite.article(north=5)
    body = suite.body((sku, 1, 500))
    order = await suite.place(body, pays=None)
    dearer = body | {"shipping": 491, "total": 991}
    answer = await suite.http.post("orders", "/orders", dearer)
    assert answer.status == 409
    assert {error["field"] for error in answer.body["errors"]} >= {"shipping", "total"}
    assert (await order.cancel()).ok
    await order.expect(OrderCancelled)


async def test_an_order_with_faults_is_refused_with_all_of_them_on_both_roads(suite: Suite) -> None:
    body = suite.body(("any", 1, 500)) | {"total": 1, "currency": "XXX", "address": {"country": "ZZ"}}
    answer = await suite.http.post("orders", "/orders", body)
    assert answer.status == 422
    fields = {error["field"] for error in answer.body["errors"]}
    assert fields == {"total", "currency", "address.country"}
    from shared.contracts.channels import OrderSubmitted

    await suite.topics.say_json(OrderSubmitted, f"shop:{body['external_id']}", body, "faulty")
    refused = await suite.expect(OrderRefused, lambda event: event.external_id == body["external_id"])
    assert {error.field for error in refused.errors} == fields
    assert (refused.refused, refused.message_id) == ("order", "faulty")


async def test_an_order_without_stock_is_cancelled_and_the_payer_let_go(suite: Suite) -> None:
    sku = await suite.article(north=1)
    order = await suite.order((sku, 2, 1000))
    rejected = await order.expect(StockRejected)
    assert [(s.sku, s.requested, s.available) for s in rejected.shortages] == [(sku, 2, 1)]
    cancelled = await order.expect(OrderCancelled)
    assert cancelled.reason == "out_of_stock"
    await order.expect(PaymentVoidRequested)
    await suite.settled()
    assert amounts(order, PaymentVoidRequested) == [2490]
    assert amounts(order, PaymentCaptureRequested) == []


async def test_an_order_that_no_place_can_fill_alone_ships_in_two_parcels(suite: Suite) -> None:
    sku = await suite.article(north=2, south=3)
    order = await suite.order((sku, 5, 333), shipping=101)
    north, south = await order.parcels(2)
    assert (north.place_id, south.place_id) == (NORTH, SOUTH)
    assert north.lines[0].quantity + south.lines[0].quantity == 5
    await order.deliver(north)
    await order.expect(ShipmentDelivered)
    await order.state("shipped")
    await order.deliver(south)
    await order.expect(OrderCompleted)
    await suite.settled()
    captured = amounts(order, PaymentCaptureRequested)
    assert len(captured) == 2
    assert sum(captured) == 5 * 333 + 101


async def test_an_order_waits_for_its_payer_and_goes_on_when_paid(suite: Suite) -> None:
    sku = await suite.article(north=1)
    order = await suite.order((sku, 1, 1000), pays=None)
    await order.expect(StockReserved)
    await order.state("awaiting_payment")
    await order.pay(1000)
    await suite.settled()
    await order.state("awaiting_payment")
    await order.pay(490, "sale")
    await order.expect(OrderConfirmed)
    await order.deliver(*await order.parcels())
    await order.expect(OrderCompleted)
    await suite.settled()
    assert amounts(order, PaymentCaptureRequested) == [1000]


async def test_an_order_nobody_pays_for_is_cancelled_at_its_deadline(suite: Suite) -> None:
    sku = await suite.article(north=1)
    order = await suite.order((sku, 1, 1000), pays=None)
    cancelled = await order.expect(OrderCancelled)
    assert cancelled.reason == "payment_deadline"
    await suite.settled()
    assert (await stock(suite, sku))[NORTH]["available"] == 1
    # Who pays all the same gets the money back.
    await order.pay(1490, "sale")
    await order.expect(RefundIssued)
    await suite.settled()
    assert amounts(order, PaymentRefundRequested) == [1490]


async def test_a_cancelled_order_that_was_not_picked_is_given_up_whole(suite: Suite) -> None:
    sku = await suite.article(north=1, south=1)
    order = await suite.order((sku, 2, 1000))
    await order.parcels(2)
    assert (await order.cancel()).status == 202
    answer = await order.expect(ShipmentCancelled)
    assert answer.requested
    assert len(answer.parcels) == 2
    cancelled = await order.expect(OrderCancelled)
    assert cancelled.reason == "cancel_requested"
    await suite.settled()
    levels = await stock(suite, sku)
    assert [levels[place]["available"] for place in (NORTH, SOUTH)] == [1, 1]
    assert amounts(order, PaymentVoidRequested) == [2490]


async def test_a_cancellation_after_picking_is_refused_and_the_order_ships(suite: Suite) -> None:
    sku = await suite.article(north=1)
    order = await suite.order((sku, 1, 1000))
    (parcel,) = await order.parcels()
    await order.pick(parcel)
    assert (await order.cancel()).status == 202
    await order.expect(ShipmentCancelRefused)
    await order.deliver(parcel)
    await order.expect(OrderCompleted)
    refused = await order.cancel()
    assert refused.status == 409
    assert "return" in refused.body["detail"]


async def test_a_cancellation_by_topic_may_come_before_its_order(suite: Suite) -> None:
    sku = await suite.article(north=1)
    body = suite.body((sku, 1, 1000))
    early = OrderCancelSubmitted(channel="shop", external_id=body["external_id"], reason="mistake")
    await suite.topics.say(Saying(early, f"early-{body['external_id']}"))
    await suite.settled()
    order = await suite.place(body)
    cancelled = await order.expect(OrderCancelled)
    assert cancelled.reason == "cancel_requested"
    await suite.settled()
    assert order.said(ShipmentCreated) == []
    assert (await stock(suite, sku))[NORTH]["available"] == 1


async def test_a_lost_parcel_is_paid_back_and_the_other_one_kept(suite: Suite) -> None:
    sku = await suite.article(north=1, south=1)
    order = await suite.order((sku, 2, 1000), shipping=300)
    north, south = await order.parcels(2)
    await order.scan(await order.ship(south), "lost")
    await order.expect(ShipmentLost)
    await order.deliver(north)
    await order.expect(OrderCompleted)
    issued = await order.expect(RefundIssued)
    assert issued.shipment_ids == (south.shipment_id,)
    await suite.settled()
    assert amounts(order, PaymentRefundRequested) == [1150]


async def test_a_scan_of_delivery_after_the_loss_does_not_change_the_end(suite: Suite) -> None:
    sku = await suite.article(north=1)
    order = await suite.order((sku, 1, 1000))
    dispatched = await order.ship(*await order.parcels())
    await order.scan(dispatched, "lost")
    await order.expect(OrderCompleted)
    await order.scan(dispatched, "delivered", copies=2)
    await suite.settled()
    assert order.said(ShipmentDelivered) == []
    assert amounts(order, PaymentRefundRequested) == [1490]


async def test_goods_come_back_in_parts_and_the_money_adds_up_to_the_line(suite: Suite) -> None:
    sku = await suite.article(north=3)
    # 10.00 for three: a third of it is no whole number of cents.
    line = {"line_id": "1", "sku": sku, "quantity": 3, "unit_price": 333, "total": 1000}
    order = await suite.place(suite.body((sku, 3, 333)) | {"lines": [line], "total": 1490})
    await order.deliver(*await order.parcels())
    await order.expect(OrderCompleted)
    for number in range(3):
        await send_back(suite, order, 1, f"part-{number}")
        await until(lambda n=number: len(order.said(RefundIssued)) == n + 1, "the part is paid back")
    await suite.settled()
    refunds = amounts(order, PaymentRefundRequested)
    assert sorted(refunds) == [333, 333, 334]
    assert (await stock(suite, sku))[NORTH]["available"] == 3
    too_many = {
        "order_id": order.order_id,
        "units": [{"line_id": "1", "quantity": 1, "reason": "not_wanted"}],
    }
    assert (await suite.http.post("returns", "/returns", too_many)).status == 409


async def send_back(suite: Suite, order: Placed, units: int, reference: str) -> None:
    """Ask for a return and put the box on the desk."""
    await order.expect(ShipmentDelivered)

    async def authorised() -> str | None:
        wanted = [{"line_id": "1", "quantity": units, "reason": "not_wanted"}]
        body = {"order_id": order.order_id, "reference": reference, "units": wanted}
        answer = await suite.http.post("returns", "/returns", body)
        return str(answer.body["return_id"]) if answer.ok else None

    return_id = await until(authorised, "the return is authorised")
    box = {"units": [{"line_id": "1", "quantity": units, "condition": "new", "disposition": "restock"}]}
    await suite.http.must_post("returns", f"/returns/{return_id}/receive", box)
    await order.expect(ReturnReceived, lambda event: event.return_id == return_id)


async def test_a_parcel_returned_to_its_sender_is_paid_back_once_and_its_goods_restocked(
    suite: Suite,
) -> None:
    sku = await suite.article(north=2)
    order = await suite.order((sku, 2, 1000))
    await order.scan(await order.ship(*await order.parcels()), "returned_to_sender")
    await order.expect(ShipmentReturnedToSender)
    authorized = await order.expect(ReturnAuthorized)
    assert authorized.origin == "returned_to_sender"
    box = {"units": [{"line_id": "1", "quantity": 2, "condition": "new", "disposition": "restock"}]}
    await suite.http.must_post("returns", f"/returns/{authorized.return_id}/receive", box)
    received = await order.expect(ReturnReceived)
    assert received.value == 0
    await order.expect(OrderCompleted)
    await suite.settled()
    assert amounts(order, PaymentRefundRequested) == [2490]
    assert (await stock(suite, sku))[NORTH]["available"] == 2


async def test_a_parcel_picked_short_is_cancelled_and_the_others_go_on(suite: Suite) -> None:
    sku = await suite.article(north=2, south=1)
    order = await suite.order((sku, 3, 1000), shipping=0)
    north, south = await order.parcels(2)
    await order.pick(north, {"1": 1})
    cancelled = await order.expect(ShipmentCancelled)
    assert not cancelled.requested
    assert [(u.line_id, u.quantity) for u in cancelled.parcels[0].not_found] == [("1", 1)]
    await order.deliver(south)
    await order.expect(OrderCompleted)
    await suite.settled()
    assert amounts(order, PaymentCaptureRequested) == [1000]
    assert amounts(order, PaymentVoidRequested) == [2000]
    level = (await stock(suite, sku))[NORTH]
    assert (level["on_hand"], level["unavailable"], level["available"]) == (2, 1, 1)


async def test_an_order_of_which_nothing_can_be_picked_is_cancelled(suite: Suite) -> None:
    sku = await suite.article(north=1)
    order = await suite.order((sku, 1, 1000))
    (parcel,) = await order.parcels()
    await order.pick(parcel, {"1": 0})
    cancelled = await order.expect(OrderCancelled)
    assert cancelled.reason == "units_not_found"


async def test_an_order_on_hold_waits_for_its_release(suite: Suite) -> None:
    sku = await suite.article(north=1)
    order = await suite.order((sku, 1, 1000), pays=None)
    await suite.http.must_post("orders", f"/orders/{order.order_id}/hold", {"reason": "address looks odd"})
    await order.expect(StockReserved)
    await order.pay(1490)
    await order.state("on_hold")
    await suite.settled()
    assert order.said(OrderConfirmed) == []
    await suite.http.must_post(
        "orders", f"/orders/{order.order_id}/release", {"reason": "asked the customer"}
    )
    await order.deliver(*await order.parcels())
    await order.expect(OrderCompleted)
