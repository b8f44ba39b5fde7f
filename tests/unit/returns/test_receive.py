"""The box is here, or nothing comes of the return."""

from datetime import timedelta

from services.returns.domain.change import Change, Conflict, Faulty, Said, TooEarly
from services.returns.domain.choose import Wanted
from services.returns.domain.order import ReturnableOrder, refund
from services.returns.domain.receive import expire, reject
from services.returns.domain.returns import Origin, State
from services.returns.domain.send_back import send_back
from tests.unit.returns.builders import (
    NOW,
    POLICY,
    allocation,
    asked,
    back,
    confirmed,
    delivered,
    done,
    found,
)

ONE = allocation("p1", "l1", 3, 1000)


def order_with_return(quantity: int = 3) -> ReturnableOrder:
    return asked(delivered(ONE), Wanted("l1", quantity, "not_wanted"))


def test_what_came_back_is_worth_its_share() -> None:
    change = done(back(order_with_return(), "r1", [found("l1", 1, disposition="scrap"), found("l1", 1)]))
    receipt = change.order.returns["r1"].receipt
    assert receipt is not None and change.says is Said.RECEIVED
    assert [(units.disposition, units.value) for units in receipt.units] == [("scrap", 333), ("restock", 333)]
    assert receipt.value == 666
    assert receipt.place_id == "place-of-p1"
    assert change.order.returns["r1"].state is State.RECEIVED


def test_partial_returns_go_on_where_the_last_one_ended() -> None:
    order = done(back(order_with_return(2), "r1", [found("l1", 2)])).order
    order = asked(order, Wanted("l1", 1, "late"), return_id="r2")
    receipt = done(back(order, "r2", [found("l1", 1)])).order.returns["r2"].receipt
    assert receipt is not None and receipt.value == 1000 - 666


def test_never_more_than_was_authorised() -> None:
    refusal = back(order_with_return(2), "r1", [found("l1", 1), found("l1", 2), found("l9", 1)])
    assert isinstance(refusal, Faulty)
    assert [fault.field for fault in refusal.faults] == ["units.1.quantity", "units.2.line_id"]


def test_a_box_is_opened_once() -> None:
    order = done(back(order_with_return(), "r1", [found("l1", 2)])).order
    again = done(back(order, "r1", [found("l1", 1), found("l1", 1)]))
    assert (again.says, again.order) == (None, order)
    other = back(order, "r1", [found("l1", 3)])
    assert isinstance(other, Conflict) and other.code == "already_received"
    elsewhere = back(order, "r1", [found("l1", 2)], place="other")
    assert isinstance(elsewhere, Conflict)


def test_goods_of_several_places_must_say_where_they_are_now() -> None:
    order = delivered(ONE, allocation("p2", "l2", 1, 50))
    order = asked(order, Wanted("l1", 1, "late"), Wanted("l2", 1, "late"))
    refusal = back(order, "r1", [found("l1", 1), found("l2", 1)])
    assert isinstance(refusal, Faulty) and refusal.faults[0].field == "place_id"
    receipt = (
        done(back(order, "r1", [found("l1", 1), found("l2", 1)], place="w9")).order.returns["r1"].receipt
    )
    assert receipt is not None and receipt.place_id == "w9"


def test_a_rejected_return_receives_nothing() -> None:
    order = done(reject(order_with_return(), "r1", "empty box", now=NOW, actor="desk")).order
    assert order.returns["r1"].state is State.REJECTED
    refusal = back(order, "r1", [found("l1", 1)])
    assert isinstance(refusal, Conflict) and refusal.code == "already_rejected"


def test_a_received_return_is_not_rejected_and_the_first_rejection_stands() -> None:
    received = done(back(order_with_return(), "r1", [found("l1", 1)])).order
    assert isinstance(reject(received, "r1", "no", now=NOW, actor="desk"), Conflict)
    rejected = done(reject(order_with_return(), "r1", "first", now=NOW, actor="desk"))
    again = done(reject(rejected.order, "r1", "second", now=NOW, actor="desk"))
    assert rejected.says is Said.REJECTED
    assert (again.says, again.order) == (None, rejected.order)


def test_a_return_whose_goods_never_came_expires() -> None:
    order = order_with_return()
    assert expire(order, "r1", now=NOW + POLICY.patience - timedelta(microseconds=1)) is None
    change = expire(order, "r1", now=NOW + POLICY.patience)
    assert change is not None and change.says is Said.REJECTED
    rejection = change.order.returns["r1"].rejection
    assert rejection is not None and rejection.reason == "expired"
    received = done(back(order, "r1", [found("l1", 1)])).order
    assert expire(received, "r1", now=NOW + POLICY.patience) is None


class TestClosing:
    """A return closes on the refund that names it, or at once when it is worth nothing."""

    def test_a_refund_closes_it(self) -> None:
        order = done(back(order_with_return(), "r1", [found("l1", 1)])).order
        assert refund(order, ["r1"]).returns["r1"].state is State.CLOSED

    def test_a_refund_of_another_return_does_not(self) -> None:
        order = done(back(order_with_return(), "r1", [found("l1", 1)])).order
        assert refund(order, ["r7"]).returns["r1"].state is State.RECEIVED

    def test_a_refund_heard_before_the_box_closes_it_then(self) -> None:
        order = refund(order_with_return(), ["r1"])
        assert order.returns["r1"].state is State.AUTHORIZED
        assert done(back(order, "r1", [found("l1", 1)])).order.returns["r1"].state is State.CLOSED

    def test_a_refund_heard_before_the_return_closes_it_when_received(self) -> None:
        order = asked(refund(delivered(ONE), ["r1"]), Wanted("l1", 1, "late"))
        assert done(back(order, "r1", [found("l1", 1)])).order.returns["r1"].state is State.CLOSED

    def test_worth_nothing_closes_at_once(self) -> None:
        order = asked(delivered(allocation("p1", "l1", 1, 0)), Wanted("l1", 1, "late"))
        assert done(back(order, "r1", [found("l1", 1)])).order.returns["r1"].state is State.CLOSED


class TestReturnedToSender:
    """A parcel that came back undelivered opens its return by itself."""

    def opened(self, order: ReturnableOrder) -> Change:
        change = send_back(order, "p1", [("l1", "sku-l1", 3)], NOW)
        assert change is not None
        return change

    def test_once(self) -> None:
        change = self.opened(confirmed(ONE))
        opened = change.order.returns[change.return_id]
        assert (change.says, opened.origin, opened.expires_at) == (
            Said.AUTHORIZED,
            Origin.RETURNED_TO_SENDER,
            None,
        )
        assert send_back(change.order, "p1", [("l1", "sku-l1", 3)], NOW) is None

    def test_its_goods_are_worth_nothing_and_it_closes_when_received(self) -> None:
        change = self.opened(confirmed(ONE))
        received = done(back(change.order, change.return_id, [found("l1", 3)])).order.returns[
            change.return_id
        ]
        assert received.receipt is not None and received.receipt.value == 0
        assert received.state is State.CLOSED

    def test_its_goods_leave_the_value_of_other_parcels_alone(self) -> None:
        order = delivered(allocation("p2", "l1", 3, 1000))
        change = self.opened(order)
        order = asked(change.order, Wanted("l1", 3, "late"))
        receipt = done(back(order, "r1", [found("l1", 3)])).order.returns["r1"].receipt
        assert receipt is not None and receipt.value == 1000

    def test_before_the_order_is_known_it_opens_but_waits_to_be_received(self) -> None:
        change = self.opened(ReturnableOrder("o1", "trace"))
        assert isinstance(back(change.order, change.return_id, [found("l1", 3)]), TooEarly)
