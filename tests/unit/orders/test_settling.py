"""What people settle by hand counts, as far as they were told of it, and what comes after it is seen again.

The promise: no money that is due or owed goes unseen, and none is moved twice, whatever was resolved before.
"""

import pytest

from services.orders.domain import wishes
from services.orders.domain.attention import items, needs_person
from services.orders.domain.facts import UNASKED, Facts, Payment, Return
from services.orders.domain.order import Order
from services.orders.domain.sayings import Ask, Cover, Issue, Put
from services.orders.domain.wishes import Already, Answer, No
from tests.unit.orders.small import (
    CONFIRMED,
    NOW,
    RESERVED,
    WORD,
    captured,
    failed,
    parcel,
    refunded,
    told,
)


def returned(value: int, key: str = "back", of: str = "b") -> Facts:
    return Facts(returns={key: Return("customer", frozenset({of}), received=NOW, value=value)})


def taken(answer: Answer) -> Facts:
    assert isinstance(answer, Facts), answer
    return answer


def resolved(order: Order, kind: str) -> Facts:
    """A person resolves the open matter of this kind."""
    item = next(item for item in items(order) if item.flag.kind == kind and item.state == "open")
    return taken(wishes.resolve(order, item.flag.number, item.amount, WORD))


def asked(said, operation: str) -> list[tuple[str, int]]:
    return [
        (one.payment_id, one.amount) for one in said if isinstance(one, Ask) and one.operation == operation
    ]


def put(said) -> set[tuple[str, int]]:
    return {(one.kind, one.amount) for one in said if isinstance(one, Put)}


@pytest.fixture
def paid() -> Order:
    """100 collected, parcel a (60) lost and b (40) delivered; paying back the 60 failed."""
    order, _ = told(
        parcel("a", "dispatched"), captured("o.c1", 60), parcel("b", "delivered"), order=CONFIRMED
    )
    order, _ = told(captured("o.c2", 40), parcel("a", "lost"), order=order)
    return told(failed("o.r3", "refund", 60), order=order)[0]


def test_a_refund_that_people_paid_in_another_way_is_paid(paid):
    order, said = told(resolved(paid, "refund_failed"), order=paid)
    assert said == (Issue("o.r3.h1", "p", 60, (), ("a",)),)
    assert isinstance(wishes.ask_again(order, "refund", None), No), "it would be paid twice"
    assert not needs_person(order) and order.balance.owed == 0
    order, said = told(returned(30), order=order)
    assert said == (Ask("o.r4", "refund", "p", 30, returns=("back",)),)
    assert isinstance(wishes.refund(order, "g", 11, None, WORD), No)
    assert isinstance(wishes.refund(order, "g", 10, None, WORD), Facts)


def test_a_refund_that_worked_after_it_was_paid_by_hand_is_put_before_people(paid):
    _, said = told(resolved(paid, "refund_failed"), refunded("o.r3", 60), order=paid)
    assert put(said) == {("paid_twice", 60)}


def test_a_failed_refund_is_no_matter_once_another_payment_pays_it(paid):
    order, said = told(Facts(payments={"q": Payment(captured={UNASKED: 70})}), order=paid)
    assert asked(said, "refund") == [("q", 60)]
    assert [item.state for item in items(order) if item.flag.kind == "refund_failed"] == ["passed"]
    assert isinstance(wishes.resolve(order, 1, None, WORD), Already), "what passed settles nothing"


@pytest.fixture
def uncollected() -> Order:
    """Parcel a (60) is dispatched and its capture failed; b (40) waits in its place."""
    order, _ = told(parcel("a", "dispatched"), order=CONFIRMED)
    return told(failed("o.c1", "capture", 60), order=order)[0]


def test_what_people_give_up_is_not_due_and_what_leaves_later_is(uncollected):
    assert [item.flag.kind for item in items(uncollected)] == ["capture_failed"], "one matter for one sum"
    order, said = told(resolved(uncollected, "capture_failed"), order=uncollected)
    assert said == () and not needs_person(order)
    order, said = told(Facts(payments={"q": Payment(authorized=40)}), order=order)
    assert asked(said, "capture") == [], "b has not left, and a was given up"
    order, said = told(parcel("b", "dispatched"), order=order)
    assert asked(said, "capture") == [("q", 40)]
    order, said = told(
        captured("o.c2", 40, "q"), parcel("a", "delivered"), parcel("b", "delivered"), order=order
    )
    assert asked(said, "void") == [("p", 100)] and not needs_person(order)


def test_what_cannot_be_collected_later_is_put_before_people_again(uncollected):
    order, _ = told(resolved(uncollected, "capture_failed"), order=uncollected)
    order, said = told(parcel("b", "dispatched"), order=order)
    assert put(said) == {("underpaid", 40)}
    order, said = told(parcel("a", "delivered"), parcel("b", "delivered"), order=order)
    assert asked(said, "void") == [], "a person may still have it collected"
    again = taken(wishes.ask_again(order, "capture", None))
    assert asked(told(again, order=order)[1], "capture") == [("p", 40)]
    order, said = told(resolved(order, "underpaid"), order=order)
    assert asked(said, "void") == [("p", 100)] and not needs_person(order)


def test_a_capture_that_worked_after_it_was_given_up_was_not_given_up(uncollected):
    order, _ = told(resolved(uncollected, "capture_failed"), captured("o.c1", 60), order=uncollected)
    order, said = told(parcel("b", "dispatched"), order=order)
    assert asked(said, "capture") == [("p", 40)]


def test_letting_an_uncovered_order_go_gives_nothing_up():
    order, said = told(Facts(payments={"p": Payment(voided={UNASKED: 100})}), order=CONFIRMED)
    assert put(said) == {("uncovered", 100)}
    order, said = told(resolved(order, "uncovered"), order=order)
    assert not needs_person(order)
    order, said = told(parcel("a", "dispatched"), order=order)
    assert put(said) == {("underpaid", 60)}
    order, said = told(resolved(order, "underpaid"), parcel("b", "dispatched"), order=order)
    assert put(said) == {("underpaid", 40)}


def test_a_second_payment_above_the_total_is_seen_after_the_first_was_kept():
    order, said = told(
        Facts(payments={"p": Payment(captured={UNASKED: 102})}), order=told(Facts(), RESERVED)[0]
    )
    assert put(said) == {("overpaid", 2)}
    order, said = told(resolved(order, "overpaid"), order=order)
    assert said == () and not needs_person(order)
    order, said = told(Facts(payments={"q": Payment(captured={UNASKED: 100})}), order=order)
    assert put(said) == {("overpaid", 100)}


@pytest.fixture
def unpaid() -> Order:
    """The authorisation is gone, and parcel a (60) left all the same."""
    return told(
        Facts(payments={"p": Payment(voided={UNASKED: 100})}), parcel("a", "dispatched"), order=CONFIRMED
    )[0]


def test_more_than_people_were_told_of_is_not_settled_with_it(unpaid):
    order, _ = told(parcel("b", "dispatched"), order=unpaid)
    item = next(item for item in items(order) if item.flag.kind == "underpaid")
    assert item.amount == 60, "what they were told of, though 100 are due by now"
    order, said = told(taken(wishes.resolve(order, item.flag.number, 60, WORD)), order=order)
    assert put(said) == {("underpaid", 40)} and order.balance.due == 40


def test_less_than_people_were_told_of_is_shown_and_who_settled_more_hears_of_it(unpaid):
    order, _ = told(Facts(payments={"q": Payment(captured={UNASKED: 20})}), order=unpaid)
    item = next(item for item in items(order) if item.flag.kind == "underpaid")
    assert item.amount == 40 and item.reason.startswith("40 ")
    refused = wishes.resolve(order, item.flag.number, 60, WORD)
    assert isinstance(refused, No) and refused.code == "amount_changed" and "40" in refused.instead


def test_money_collected_by_hand_counts_and_is_paid_back_by_hand(uncollected):
    cash = taken(wishes.record_payment(uncollected, "cash", 60, "cash", WORD))
    order, said = told(cash, order=uncollected)
    assert said == () and not needs_person(order) and order.balance.due == 0
    assert isinstance(wishes.record_payment(order, "cash", 60, "cash", WORD), Already)
    for payment_id, amount in (("cash", 61), ("p", 60)):
        known = wishes.record_payment(order, payment_id, amount, "cash", WORD)
        assert isinstance(known, No) and known.code == "payment_differs"
    order, said = told(parcel("a", "delivered"), parcel("b", "cancelled"), returned(60, of="a"), order=order)
    assert said == (
        Ask("o.r3", "refund", "by-hand:cash", 60, returns=("back",), parcels=("b",), by_hand=True),
        Put("refund_by_hand:o.r3", 2, "refund_by_hand", said[1].reason, said[1].action, 60),
    )
    assert order.balance.owed == 0, "people were asked: nobody else is"
    assert isinstance(wishes.ask_again(order, "refund", None), No)
    order, said = told(resolved(order, "refund_by_hand"), order=order)
    assert said == (Issue("o.r3.h1", "by-hand:cash", 60, ("back",), ("b",)),) and not needs_person(order)


def test_what_the_payment_service_tells_of_the_same_id_is_another_payment():
    cash = taken(wishes.record_payment(told(Facts(), RESERVED)[0], "p", 100, "bank", WORD))
    order, said = told(cash, Facts(payments={"p": Payment(authorized=100)}), order=told(Facts(), RESERVED)[0])
    order, said = told(parcel("a", "delivered"), parcel("b", "delivered"), order=order)
    assert asked(said, "void") == [("p", 100)] and asked(said, "capture") == []
    order, said = told(captured(UNASKED, 100), order=order)
    assert put(said) == {("overpaid", 100)}


def test_money_that_comes_for_goods_that_were_given_up_and_lost_goes_back_once():
    order, _ = told(
        parcel("a", "delivered"), captured("o.c1", 60), parcel("b", "dispatched"), order=CONFIRMED
    )
    order, _ = told(failed("o.c2", "capture", 40), order=order)
    order, _ = told(resolved(order, "capture_failed"), parcel("b", "lost"), order=order)
    order, said = told(captured(UNASKED, 40, "s"), order=order)
    assert asked(said, "refund") == [("p", 40)] and put(said) == set()


def test_a_payment_above_the_total_is_seen_whatever_was_given_or_kept_before():
    order, _ = told(Facts(), RESERVED, captured(UNASKED, 100), captured(UNASKED, 100, "q"))
    order, _ = told(resolved(order, "overpaid"), order=order)
    gift = taken(wishes.refund(order, "g", 100, None, WORD))
    order, _ = told(gift, refunded("o.r1", 100), order=order)
    assert put(told(captured(UNASKED, 100, "s"), order=order)[1]) == {("overpaid", 100)}

    order, _ = told(Facts(), RESERVED, captured(UNASKED, 100))
    goodwill = taken(wishes.refund(order, "g", 50, None, WORD))
    order, _ = told(goodwill, refunded("o.r1", 50), order=order)
    order, said = told(captured(UNASKED, 40, "q"), order=order)
    assert put(said) == {("overpaid", 40)}
    order, said = told(taken(wishes.refund(order, "h", 40, None, WORD)), order=order)
    assert sum(amount for _, amount in asked(said, "refund")) == 40 and not needs_person(order)


def test_a_refund_that_worked_after_another_payment_had_paid_it_is_put_before_people():
    order, _ = told(Facts(), RESERVED, captured(UNASKED, 60), captured(UNASKED, 40, "q"))
    order, _ = told(parcel("b", "delivered"), parcel("a", "lost"), failed("o.r1", "refund", 60), order=order)
    order, said = told(refunded("o.r2", 40, "q"), refunded("o.r1", 60), order=order)
    assert put(said) == {("paid_twice", 40)}
    order, said = told(resolved(order, "paid_twice"), order=order)
    assert said == () and order.balance.owed == 0 and not needs_person(order)


def test_a_refund_that_worked_after_all_names_its_returns_once():
    order, _ = told(
        Facts(), RESERVED, captured(UNASKED, 100), parcel("a", "delivered"), parcel("b", "delivered")
    )
    order, _ = told(returned(40), order=order)
    order, said = told(failed("o.r1", "refund", 40), refunded("o.r1", 40), order=order)
    assert said == (Issue("o.r1", "p", 40, ("back",), ()),)


def test_a_return_after_everything_was_paid_back_by_hand_is_closed():
    order, _ = told(parcel("a", "delivered"), captured("o.c1", 60), parcel("b", "delivered"), order=CONFIRMED)
    order, _ = told(captured("o.c2", 40), order=order)
    order, _ = told(taken(wishes.refund(order, "g", 100, None, WORD)), refunded("o.r3", 100), order=order)
    order, said = told(returned(60, of="a"), order=order)
    assert said == (Cover("o.n1", "p", ("back",)),)
    order, said = told(returned(40, key="other"), order=order)
    assert said == (Cover("o.n2", "p", ("other",)),)


def test_a_return_is_not_closed_while_money_for_it_may_come():
    order, said = told(parcel("a", "delivered"), returned(60, of="a"), order=CONFIRMED)
    assert not any(isinstance(one, Cover) for one in said), "the capture of it is not answered"
    order, _ = told(parcel("b", "delivered"), captured("o.c1", 60), order=order)
    refund = order.facts.said.requests["o.r3"]
    assert (refund.amount, refund.returns) == (20, ("back",)), (
        "40 of the 60 are for b until that is collected"
    )
    assert asked(told(captured("o.c2", 40), order=order)[1], "refund") == [("p", 40)]


def test_the_same_id_with_another_content_is_not_the_same():
    order, _ = told(Facts(), taken(wishes.hold(told(Facts())[0], "h", WORD)))
    assert isinstance(wishes.hold(order, "h", WORD), Already)
    order, _ = told(taken(wishes.release(order, "h", WORD)), order=order)
    again = wishes.hold(order, "h", WORD)
    assert isinstance(again, No) and again.code == "hold_released"
    order, _ = told(Facts(payments={"p": Payment(captured={UNASKED: 100})}), order=order)
    order, _ = told(taken(wishes.refund(order, "g", 10, None, WORD)), order=order)
    assert isinstance(wishes.refund(order, "g", 10, None, WORD), Already)
    for amount, payment_id in ((11, None), (10, "p")):
        other = wishes.refund(order, "g", amount, payment_id, WORD)
        assert isinstance(other, No) and other.code == "refund_differs"
