"""The played payment service, warehouse, carrier and customers: what they decide, and that they decide it once."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from deploy.demo.datasets.model import Dice, Habits, Payment
from deploy.demo.players.carrier import Carrier
from deploy.demo.players.customers import Customers
from deploy.demo.players.payments import PaymentService
from deploy.demo.players.warehouse import Warehouse
from shared.contracts.channels import OrderLine, PaymentMade
from shared.contracts.envelope import Address
from shared.contracts.fulfillment import (
    CancelledParcel,
    ShipmentCancelled,
    ShipmentDispatched,
    ShipmentLine,
    UnitsNotFound,
)
from shared.contracts.orders import (
    OrderPlaced,
    PaymentCaptureRequested,
    PaymentRefundRequested,
    PaymentVoidRequested,
)
from shared.contracts.payments import (
    PaymentAuthorized,
    PaymentCaptured,
    PaymentFailed,
    PaymentRefunded,
    PaymentVoided,
)
from shared.contracts.returns import ReturnUnits

CALM = Habits(
    cancels=0, returns=0, duplicates=0, conflicts=0, declines=0, gives_up=0, never_pays=0, capture_fails=0,
    refund_fails=0, short_picks=0, counts=0, troubles=0, lost=0, sent_back=0, repeated_scans=0, late_scans=0,
)  # fmt: skip
LINES = (ShipmentLine(line_id="1", sku="A", quantity=5), ShipmentLine(line_id="2", sku="B", quantity=1))
CARD = Payment("pay-1", "credit_card", 1000, "authorize")


def changed(**shares: float) -> Habits:
    from dataclasses import replace

    return replace(CALM, **shares)


def placed(*made: PaymentMade) -> OrderPlaced:
    return OrderPlaced(
        order_id="o1", channel="shop", external_id="x1", address=Address(country="DE"), currency="EUR", total=1000,
        lines=(OrderLine(line_id="1", sku="A", quantity=1, unit_price=1000, total=1000),), payments=made,
    )  # fmt: skip


def request(kind: type, request_id: str, amount: int, payment_id: str = "pay-1"):  # type: ignore[no-untyped-def]
    return kind(order_id="o1", request_id=request_id, payment_id=payment_id, amount=amount, currency="EUR")


def paid(habits: Habits = CALM) -> PaymentService:
    service = PaymentService(Dice(1), habits)
    service.placed(placed(), (CARD,))
    return service


def test_dice_answer_the_same_question_alike_and_in_the_asked_share() -> None:
    dice = Dice(4)
    assert dice.roll("x", "y") == Dice(4).roll("x", "y") != Dice(5).roll("x", "y")
    hits = sum(dice.happens("share", str(number), 0.2) for number in range(5_000))
    assert 900 < hits < 1_100


def test_payers_pay_once_each_in_their_way() -> None:
    service = PaymentService(Dice(1), CALM)
    slip, debit = Payment("pay-2", "boleto", 500, "later"), Payment("pay-3", "debit_card", 200, "sale")
    voucher = PaymentMade(payment_id="v", method="voucher", authorized=50, captured=50)
    order = placed(voucher)
    said = service.placed(order, (CARD, slip, debit, Payment("v", "voucher", 50, "prepaid")))
    assert [type(saying.event) for saying in said] == [PaymentAuthorized, PaymentCaptured, PaymentCaptured]
    assert [saying.after > 0 for saying in said] == [False, True, False]
    assert service.placed(order, (CARD, slip, debit)) == []
    assert service.accounts["v"].captured == 50


def test_a_declined_payer_tries_again_and_one_who_gives_up_does_not() -> None:
    again = PaymentService(Dice(1), changed(declines=1)).placed(placed(), (CARD,))
    assert [type(saying.event) for saying in again] == [PaymentFailed, PaymentAuthorized]
    assert isinstance(again[0].event, PaymentFailed) and not again[0].event.final
    over = PaymentService(Dice(1), changed(gives_up=1)).placed(placed(), (CARD,))
    assert [saying.event.final for saying in over if isinstance(saying.event, PaymentFailed)] == [True]
    slip = Payment("pay-2", "boleto", 500, "later")
    assert PaymentService(Dice(1), changed(never_pays=1)).placed(placed(), (slip,)) == []


def test_a_request_asked_twice_gets_the_same_answer_and_moves_money_once() -> None:
    service = paid()
    first = service.capture(request(PaymentCaptureRequested, "r1", 600))
    assert service.capture(request(PaymentCaptureRequested, "r1", 600)) == first
    assert isinstance(first[0].event, PaymentCaptured)
    assert service.accounts["pay-1"].captured == 600
    refund = service.refund(request(PaymentRefundRequested, "r2", 100))
    assert service.refund(request(PaymentRefundRequested, "r2", 100)) == refund
    assert isinstance(refund[0].event, PaymentRefunded)
    void = service.void(request(PaymentVoidRequested, "r3", 400))
    assert isinstance(void[0].event, PaymentVoided)
    assert service.accounts["pay-1"].open == 0
    assert service.impossible == []


def test_more_than_there_is_fails_finally_and_is_remembered_as_impossible() -> None:
    service = paid()
    for answer in (
        service.capture(request(PaymentCaptureRequested, "r1", 1001)),
        service.refund(request(PaymentRefundRequested, "r2", 1)),
        service.void(request(PaymentVoidRequested, "r3", 999)),
    ):
        assert isinstance(answer[0].event, PaymentFailed)
        assert answer[0].event.final
    assert len(service.impossible) == 3
    assert service.capture(request(PaymentCaptureRequested, "r4", 1, "nobody's")) == []
    assert len(service.objections) == 4


def test_a_request_that_overtakes_its_order_is_answered_when_the_order_is_heard_of() -> None:
    service = PaymentService(Dice(1), CALM)
    assert service.answer(request(PaymentRefundRequested, "r1", 50, "v")) == []
    assert len(service.objections) == 1
    made = PaymentMade(payment_id="v", method="voucher", authorized=50, captured=50)
    said = service.placed(placed(made), ())
    assert [type(saying.event) for saying in said] == [PaymentRefunded]
    assert service.objections == ()


def test_failed_operations_leave_the_money_where_it_was() -> None:
    service = paid(changed(capture_fails=1))
    answer = service.capture(request(PaymentCaptureRequested, "r1", 600))[0].event
    assert isinstance(answer, PaymentFailed)
    assert (answer.operation, answer.request_id) == ("capture", "r1")
    assert service.accounts["pay-1"].captured == 0


@given(st.lists(st.tuples(st.sampled_from("cro"), st.integers(0, 9), st.integers(1, 1200)), max_size=30))
def test_no_sequence_of_requests_moves_money_that_is_not_there(requests: list[tuple[str, int, int]]) -> None:
    service = paid(changed(capture_fails=0.2, refund_fails=0.2))
    for kind, number, amount in requests:
        if kind == "c":
            service.capture(request(PaymentCaptureRequested, f"c{number}", amount))
        elif kind == "r":
            service.refund(request(PaymentRefundRequested, f"r{number}", amount))
        else:
            service.void(request(PaymentVoidRequested, f"o{number}", service.accounts["pay-1"].open))
    account = service.accounts["pay-1"]
    assert 0 <= account.refunded <= account.captured
    assert account.captured + account.voided <= account.authorized


def test_pickers_find_everything_but_of_one_line() -> None:
    assert Warehouse(Dice(1), CALM).pick("s1", LINES) == {"1": 5, "2": 1}
    short = Warehouse(Dice(1), changed(short_picks=1))
    found = short.pick("s1", LINES)
    assert found == short.pick("s1", LINES)
    assert sum(found[line.line_id] < line.quantity for line in LINES) == 1


def test_a_recount_releases_what_was_set_aside_before_it_writes_off() -> None:
    missing = UnitsNotFound(line_id="1", sku="A", quantity=2)
    parcels = tuple(
        CancelledParcel(shipment_id=f"s{n}", place_id="p", not_found=(missing,)) for n in range(40)
    )
    cancelled = ShipmentCancelled(order_id="o1", parcels=parcels, requested=False, reason="units not found")
    said = Warehouse(Dice(1), CALM).recount(cancelled)
    assert len({adjustment.adjustment_id for adjustment in said}) == len(said)
    released = [a for a in said if a.counter == "unavailable"]
    gone = [a for a in said if a.counter == "on_hand"]
    assert len(released) == 40
    assert 0 < len(gone) < 40
    for adjustment in gone:
        before = next(
            a for a in released if a.adjustment_id == adjustment.adjustment_id.removesuffix("-gone")
        )
        assert said.index(before) < said.index(adjustment)
        assert adjustment.delta == before.delta == -2


def test_counts_are_rare_and_small() -> None:
    warehouse = Warehouse(Dice(1), changed(counts=0.1))
    counts = [c for c in (warehouse.count(f"s{n}", "p", LINES) for n in range(1_000)) if c]
    assert 60 < len(counts) < 140
    assert {count.delta for count in counts} == {1}


def test_returned_units_are_all_received_in_some_condition() -> None:
    units = [ReturnUnits(shipment_id="s1", line_id="1", sku="A", quantity=2, reason="too_small")]
    warehouse = Warehouse(Dice(1), CALM)
    answers = [warehouse.receive(f"r{number}", units) for number in range(300)]
    received = [answer.units[0] for answer in answers if answer]
    assert len(received) < 300
    assert {unit.quantity for unit in received} == {2}
    assert {unit.disposition for unit in received} == {"restock", "quarantine", "scrap"}


def dispatched(number: int) -> ShipmentDispatched:
    return ShipmentDispatched(
        order_id="o1", shipment_id=f"s{number}", place_id="p", lines=LINES, carrier="local",
        tracking_number=f"T{number}", tracking_url="http://x", dispatched_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def test_parcels_arrive_in_the_order_of_their_scans() -> None:
    said = Carrier(Dice(1), CALM).journey(dispatched(1))
    assert [saying.event.status for saying in said][-1] == "delivered"  # type: ignore[attr-defined]
    moments = [saying.event.occurred_at for saying in said]  # type: ignore[attr-defined]
    assert moments == sorted(set(moments))
    assert [saying.after for saying in said] == sorted({saying.after for saying in said})


def test_some_parcels_are_lost_or_come_back_and_some_scans_come_late_or_twice() -> None:
    carrier = Carrier(Dice(1), Habits(lost=0.1, sent_back=0.1, late_scans=0.1, repeated_scans=0.1))
    journeys = [carrier.journey(dispatched(number)) for number in range(300)]
    ends = [journey[-1].event.status for journey in journeys]  # type: ignore[attr-defined]
    assert {"delivered", "lost", "returned_to_sender"} == set(ends)
    assert any(saying.copies == 2 for journey in journeys for saying in journey)
    assert any([s.after for s in journey] != sorted(s.after for s in journey) for journey in journeys)
    ids = [saying.message_id for journey in journeys for saying in journey]
    assert len(set(ids)) == len(ids)


def test_customers_cancel_at_every_moment_by_both_roads() -> None:
    customers = Customers(Dice(1), changed(cancels=0.5))
    moments = [customers.cancels(f"x{number}") for number in range(500)]
    assert 200 < sum(moment is None for moment in moments) < 300
    assert {"before", "at once", "placed", "confirmed", "created", "dispatched"} <= {*moments}
    assert {customers.by_topic(f"x{number}") for number in range(50)} == {True, False}


def test_customers_send_back_at_most_what_they_got() -> None:
    customers = Customers(Dice(1), changed(returns=1))
    for number in range(100):
        back = customers.sends_back(f"s{number}", LINES)
        assert [units.line_id for units in back] == ["1", "2"]
        assert all(1 <= units.quantity <= line.quantity for units, line in zip(back, LINES, strict=True))
    told = customers.must_send_back("s1", LINES, {"1": 9, "3": 1})
    assert [(units.line_id, units.quantity) for units in told] == [("1", 5)]
