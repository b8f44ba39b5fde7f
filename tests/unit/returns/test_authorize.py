"""May these units come back?"""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.returns.domain.change import Conflict, Fault, Faulty, Said, TooEarly
from services.returns.domain.choose import Wanted
from services.returns.domain.order import ReturnableOrder, deliver, lose
from services.returns.domain.receive import reject
from services.returns.domain.returns import State
from services.returns.domain.send_back import send_back
from tests.unit.returns.builders import (
    NOW,
    POLICY,
    allocation,
    ask,
    asked,
    back,
    confirmed,
    delivered,
    done,
    found,
)

ONE = allocation("p1", "l1", 3, 1000)


def want(quantity: int, line: str = "l1", parcel: str | None = None, reason: str = "not_wanted") -> Wanted:
    return Wanted(line, quantity, reason, parcel)


def test_delivered_units_may_come_back() -> None:
    change = done(ask(delivered(ONE), want(2)))
    opened = change.order.returns["r1"]
    assert change.says is Said.AUTHORIZED
    assert opened.state is State.AUTHORIZED
    assert [(units.shipment_id, units.line_id, units.sku, units.quantity) for units in opened.units] == [
        ("p1", "l1", "sku-l1", 2)
    ]
    assert opened.expires_at == NOW + POLICY.patience
    assert change.order.version == delivered(ONE).version + 1


def test_what_is_not_delivered_is_to_be_asked_for_again_later() -> None:
    refusal = ask(confirmed(ONE), want(1))
    assert isinstance(refusal, TooEarly)
    assert refusal.seconds == POLICY.ask_again
    assert [fault.field for fault in refusal.faults] == ["units.0.quantity"]


def test_what_never_arrives_is_not_to_be_asked_for_again() -> None:
    three = confirmed(ONE, allocation("p2", "l1", 3, 300), allocation("p3", "l1", 1, 100))
    order = deliver(three, "p1", NOW - timedelta(days=1))
    under_way = ask(lose(order, ["p2"], "lost"), want(4))
    assert isinstance(under_way, TooEarly), "the third parcel may still come, and then there are enough"
    lost = lose(lose(order, ["p3"], "cancelled"), ["p2"], "lost")
    cancelled = lose(order, ["p2", "p3"], "cancelled")
    for known, word in ((lost, "lost"), (cancelled, "cancelled")):
        refusal = ask(known, want(7))
        assert isinstance(refusal, Conflict) and refusal.code == word
        assert "paid back" in refusal.detail
        problem = f"4 of these units were in a parcel that was {word}"
        assert refusal.faults == (Fault("units.0.quantity", problem),)
        assert done(ask(known, want(3)))


def test_an_order_of_which_only_the_delivery_was_heard_is_asked_for_again_soon() -> None:
    order = deliver(ReturnableOrder("o1", "trace"), "p1", NOW)
    refusal = ask(order, want(1))
    assert isinstance(refusal, TooEarly) and refusal.seconds < POLICY.ask_again


def test_the_window_ends_with_its_last_moment() -> None:
    order = delivered(ONE, at=NOW - POLICY.window)
    assert done(ask(order, want(1)))
    late = ask(order, want(1), now=NOW + timedelta(microseconds=1))
    assert isinstance(late, Conflict) and late.code == "window_over"


def test_goodwill_takes_what_is_late_but_not_what_is_not_delivered() -> None:
    late = delivered(ONE, at=NOW - POLICY.window * 2)
    assert done(ask(late, want(1), goodwill=True))
    assert isinstance(ask(confirmed(ONE), want(1), goodwill=True), TooEarly)


def test_warranty_lasts_longer() -> None:
    order = delivered(ONE, at=NOW - POLICY.window * 2)
    assert done(ask(order, want(1, reason="warranty")))


def test_units_are_claimed_once() -> None:
    order = asked(delivered(ONE), want(2))
    refusal = ask(order, want(2), return_id="r2")
    assert isinstance(refusal, Conflict) and refusal.code == "nothing_left"
    assert "only 1" in refusal.faults[0].problem
    assert done(ask(order, want(1), return_id="r2"))


def test_rejected_units_are_free_again() -> None:
    order = asked(delivered(ONE), want(3))
    order = done(reject(order, "r1", "empty box", now=NOW, actor="desk")).order
    assert done(ask(order, want(3), return_id="r2"))


def test_units_missing_in_the_box_are_free_again() -> None:
    order = asked(delivered(ONE), want(3))
    order = done(back(order, "r1", [found("l1", 1)])).order
    assert order.free() == {("p1", "l1"): 2}
    assert done(ask(order, want(2), return_id="r2"))
    assert isinstance(ask(order, want(3), return_id="r2"), Conflict)


def test_every_faulty_field_is_named_at_once() -> None:
    order = delivered(ONE)
    refusal = ask(order, want(1, line="nope"), want(1), want(1, parcel="p9"), want(9))
    assert isinstance(refusal, Faulty)
    assert [fault.field for fault in refusal.faults] == [
        "units.0.line_id",
        "units.2.shipment_id",
        "units.3.quantity",
    ]


def test_one_unit_cannot_be_wanted_twice_in_one_request() -> None:
    order = delivered(allocation("p1", "l1", 1, 5))
    refusal = ask(order, want(1), want(1, reason="defective"))
    assert isinstance(refusal, Conflict)
    assert [fault.field for fault in refusal.faults] == ["units.1.quantity"]


def test_the_same_units_for_the_same_reason_are_one_entry() -> None:
    opened = asked(delivered(ONE), want(1), want(1), want(1, reason="defective")).returns["r1"]
    assert [(units.reason, units.quantity) for units in opened.units] == [("not_wanted", 2), ("defective", 1)]


class TestWithoutAParcel:
    """What was delivered first is meant."""

    split = (allocation("p1", "l1", 2, 200), allocation("p2", "l1", 2, 200))

    def order(self) -> ReturnableOrder:
        order = deliver(confirmed(*self.split), "p1", NOW - timedelta(days=1))
        return deliver(order, "p2", NOW - timedelta(days=2))

    def test_parcels_delivered_first_come_first(self) -> None:
        opened = asked(self.order(), want(3)).returns["r1"]
        assert [(units.shipment_id, units.quantity) for units in opened.units] == [("p2", 2), ("p1", 1)]

    def test_who_names_a_parcel_chooses_first(self) -> None:
        opened = asked(self.order(), want(2), want(2, parcel="p2")).returns["r1"]
        assert {units.shipment_id: units.quantity for units in opened.units} == {"p1": 2, "p2": 2}

    def test_units_of_a_parcel_under_way_are_waited_for(self) -> None:
        order = deliver(confirmed(*self.split), "p1", NOW)
        assert done(ask(order, want(2)))
        assert isinstance(ask(order, want(3)), TooEarly)
        too_many = ask(order, want(5))
        assert isinstance(too_many, Conflict) and too_many.code == "nothing_left"

    def test_a_parcel_returned_to_its_sender_has_nothing_to_return(self) -> None:
        change = send_back(self.order(), "p2", [("l1", "sku-l1", 2)], NOW)
        assert change is not None
        assert done(ask(change.order, want(2)))
        refusal = ask(change.order, want(1, parcel="p2"))
        assert isinstance(refusal, Conflict) and refusal.code == "nothing_left"

    def test_a_parcel_that_two_orders_name_opens_a_return_of_each(self) -> None:
        """Whoever names another order's parcel takes nothing from it and stops nothing."""
        orders = self.order(), replace(self.order(), order_id="o2")
        opened = [send_back(order, "p2", [("l1", "sku-l1", 2)], NOW) for order in orders]
        assert len({change.return_id for change in opened if change is not None}) == 2


class TestReference:
    """The same reference of an order is the same return."""

    def test_asked_again_it_is_the_return_there_is(self) -> None:
        first = done(ask(delivered(ONE), want(2), reference="RMA-1"))
        again = done(ask(first.order, want(2), return_id="r2", reference="RMA-1"))
        assert (again.return_id, again.says, again.order) == ("r1", None, first.order)

    @pytest.mark.parametrize("units", [want(1), want(2, reason="late"), want(2, parcel="p9")])
    def test_with_other_units_it_is_a_contradiction(self, units: Wanted) -> None:
        first = done(ask(delivered(ONE), want(2), reference="RMA-1"))
        refusal = ask(first.order, units, return_id="r2", reference="RMA-1")
        assert isinstance(refusal, Conflict) and refusal.code == "reference_reused"

    def test_without_one_every_request_is_a_return_of_its_own(self) -> None:
        order = asked(delivered(ONE), want(1))
        assert done(ask(order, want(1), return_id="r2")).return_id == "r2"
