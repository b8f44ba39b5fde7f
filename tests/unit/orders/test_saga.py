"""The table of rules, row by row, on small examples; histories.py tries them all together."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.orders.domain import wishes
from services.orders.domain.attention import needs_person
from services.orders.domain.deadlines import Windows, next_deadline, passed, waits
from services.orders.domain.facts import (
    UNASKED,
    Facts,
    Failure,
    Hold,
    Payment,
    Word,
    join,
)
from services.orders.domain.saga import state
from services.orders.domain.sayings import Ask, Cancel, Complete, Confirm, Issue, Place, Put, Recall
from tests.unit.orders.small import CONFIRMED, FUNDED, NOW, RESERVED, WORD, parcel, told


def test_place_then_wait_then_confirm():
    order, said = told(Facts())
    assert (said, state(order)) == ((Place(),), "awaiting_stock")
    order, said = told(RESERVED, order=order)
    assert (said, state(order)) == ((), "awaiting_payment")
    order, said = told(FUNDED, order=order)
    assert (said, state(order)) == ((Confirm("r"),), "awaiting_shipment")
    assert told(FUNDED, RESERVED, order=order)[1] == ()


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ((Facts(cancels={"c": WORD}),), "cancel_requested"),
        ((Facts(rejected={"not_enough_stock": "MUG"}),), "out_of_stock"),
        ((Facts(passed={"stock": NOW}),), "stock_deadline"),
        ((RESERVED, Facts(passed={"payment": NOW})), "payment_deadline"),
        (
            (Facts(payments={"p": Payment(failed={"-": Failure("authorize", 100, True, "", NOW)})}),),
            "payment_failed",
        ),
    ],
)
def test_reasons_to_give_up_an_order_that_is_not_confirmed(facts, reason):
    order, said = told(Facts(), *facts)
    assert [type(one) for one in said] == [Cancel] and said[0].reason == reason
    assert state(order) == "cancelled" and told(FUNDED, order=order)[1] == (Ask("o.v1", "void", "p", 100),)
    # Once confirmed none of them cancels by itself; a wish is asked of fulfilment.
    after = told(facts[-1], order=CONFIRMED)[1]
    assert not any(isinstance(one, Cancel) for one in after)


def test_a_hold_or_a_declined_payment_that_may_be_tried_again_only_wait():
    held = Facts(holds={"h": Hold(placed=WORD)})
    order, _ = told(Facts(), held, RESERVED, FUNDED)
    assert state(order) == "on_hold"
    assert told(Facts(holds={"h": Hold(released=WORD)}), order=order)[1] == (Confirm("r"),)
    declined = Facts(payments={"p": Payment(failed={"-": Failure("authorize", 100, False, "", NOW)})})
    assert told(Facts(), RESERVED, declined)[1] == ()


@pytest.mark.parametrize("operation", ["refund", "void"])
def test_money_that_cannot_be_given_back_does_not_end_an_order_still_being_paid(operation):
    failed = Facts(
        payments={"p": Payment(captured={UNASKED: 50}, failed={"x": Failure(operation, 10, True, "", NOW)})}
    )
    order, said = told(Facts(), RESERVED, failed)
    assert not any(isinstance(one, Cancel) for one in said) and state(order) == "awaiting_payment"


def test_recall_is_asked_once_and_both_answers_are_final():
    order, said = told(Facts(cancels={"c": WORD}), order=CONFIRMED)
    assert (said, state(order)) == ((Recall("ada", "because"),), "cancelling")
    given_up, said = told(Facts(answers={"cancelled": "as asked"}), order=order)
    assert (said[0], state(given_up)) == (Cancel("cancel_requested", "because"), "cancelled")
    refused, said = told(Facts(answers={"refused": "picked"}), order=order)
    assert (said, state(refused)) == ((), "awaiting_shipment")
    assert isinstance(wishes.cancel(refused, "d", WORD), wishes.No)


def test_every_parcel_means_those_of_the_reservation():
    order, said = told(parcel("a", "delivered"), order=CONFIRMED)
    assert state(order) == "shipped" and not any(isinstance(one, Complete) for one in said)
    assert any(isinstance(one, Complete) for one in told(parcel("b", "cancelled"), order=order)[1])
    order, said = told(parcel("a", "cancelled"), parcel("b", "cancelled"), order=CONFIRMED)
    assert said[0] == Cancel("units_not_found", "nothing of the order could be picked")


def test_money_follows_the_parcels():
    order, said = told(parcel("a", "dispatched"), order=CONFIRMED)
    assert said == (Ask("o.c1", "capture", "p", 60),)
    order, _ = told(Facts(payments={"p": Payment(captured={"o.c1": 60})}), order=order)
    both = join(parcel("a", "lost"), parcel("b", "cancelled"))
    order, said = told(both, order=order)
    assert said == (
        Complete(),
        Ask("o.r2", "refund", "p", 60, parcels=("a", "b")),
        Ask("o.v3", "void", "p", 40),
    )
    _, said = told(Facts(payments={"p": Payment(refunded={"o.r2": 60})}), order=order)
    assert said == (Issue("o.r2", "p", 60, (), ("a", "b")),)


def test_a_failed_capture_is_not_asked_again_by_itself_and_keeps_its_authorisation():
    order, _ = told(parcel("a", "dispatched"), order=CONFIRMED)
    failure = Failure("capture", 60, True, "no", NOW)
    order, said = told(Facts(payments={"p": Payment(failed={"o.c1": failure})}), order=order)
    assert {one.kind for one in said if isinstance(one, Put)} == {"capture_failed"}
    order, said = told(parcel("a", "delivered"), parcel("b", "delivered"), order=order)
    assert said[0] == Complete() and [one.kind for one in said[1:]] == ["underpaid"], "nothing is voided"
    again = wishes.ask_again(order, "capture", None)
    assert isinstance(again, Facts) and told(again, order=order)[1] == (Ask("o.c2", "capture", "p", 100),)


def test_what_was_paid_above_the_total_is_given_back_by_hand_only_once():
    order, said = told(
        Facts(payments={"p": Payment(captured={UNASKED: 110})}), order=told(Facts(), RESERVED)[0]
    )
    assert isinstance(said[0], Confirm) and said[1].kind == "overpaid"
    gift = wishes.refund(order, "g", 10, None, WORD)
    assert isinstance(gift, Facts)
    order, said = told(gift, order=order)
    assert said == (Ask("o.r1", "refund", "p", 10, reason="because", gift="g"),)
    order, said = told(join(parcel("a", "lost"), parcel("b", "lost")), order=order)
    assert said[1] == Ask("o.r2", "refund", "p", 100, parcels=("a", "b"))
    assert isinstance(wishes.refund(order, "h", 1, None, WORD), wishes.No)


def test_deadlines_are_those_of_what_is_waited_for():
    windows = Windows(*(timedelta(minutes=minutes) for minutes in (30, 60, 90, 120, 150, 180, 210)))
    order = told(Facts())[0]
    assert next_deadline(order, windows) == NOW + timedelta(minutes=30)
    assert passed(order, windows, NOW + timedelta(minutes=29)) == ()
    assert passed(order, windows, NOW + timedelta(minutes=30)) == ("stock",)
    assert [wait.kind for wait in waits(told(Facts(), RESERVED)[0])] == ["payment"]
    assert {wait.key for wait in waits(CONFIRMED)} == {"shipment:a", "shipment:b"}
    order, _ = told(parcel("a", "dispatched"), order=CONFIRMED)
    assert {wait.key for wait in waits(order)} == {"shipment:b", "delivery:a", "payment_answer:o.c1"}
    late = told(Facts(passed={"delivery:a": NOW}), order=order)
    assert [one.kind for one in late[1]] == ["overdue"]
    assert next_deadline(late[0], windows) == NOW + timedelta(minutes=150)


def test_who_lets_an_overdue_matter_wait_is_called_again():
    windows = Windows(*(timedelta(minutes=minutes) for minutes in (30, 60, 90, 120, 150, 180, 210)))
    held = told(Facts(), RESERVED, Facts(holds={"h": Hold(placed=WORD)}))[0]
    order, said = told(Facts(passed={"hold:h": NOW}), order=held)
    assert [(one.key, one.number) for one in said] == [("overdue:hold:h", 1)]
    for turn in (1, 2):
        looked = NOW + timedelta(days=turn)
        resolved = Facts(resolved={said[0].key: Word("ada", "the customer is away", looked)})
        order, said = told(resolved, order=order)
        assert said == () and not needs_person(order)
        assert passed(order, windows, looked + timedelta(minutes=89)) == ("payment",)
        assert passed(order, windows, looked + timedelta(minutes=90)) == ("payment", f"hold:h#{turn}")
        order, said = told(Facts(passed={f"hold:h#{turn}": looked}), order=order)
        assert [(one.key, one.number) for one in said] == [(f"overdue:hold:h#{turn}", turn + 1)]
        assert needs_person(order)
    order, _ = told(Facts(holds={"h": Hold(released=WORD)}), order=order)
    assert not needs_person(order), "what is not waited for any more passed by itself"


def test_a_second_end_and_a_second_reservation_are_put_before_a_person():
    _, said = told(parcel("a", "delivered"), parcel("a", "lost"), order=CONFIRMED)
    assert [one.kind for one in said if isinstance(one, Put)] == ["second_end"]
    contradiction = Facts(contradictions={"reservation:x": "stock was reserved twice"})
    assert told(contradiction, order=CONFIRMED)[1][0].kind == "contradiction"
    assert replace(CONFIRMED.facts, said=Facts().said) == join(RESERVED, FUNDED)
