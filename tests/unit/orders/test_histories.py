"""Whatever happens around an order, in whatever order it is heard: it ends, once, and the money is true."""

import random
from dataclasses import replace
from functools import reduce
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from services.orders.domain import attention, balance, facts, saga, wishes
from services.orders.domain.balance import Account
from services.orders.domain.facts import Facts, Gift, Parcel, join
from services.orders.domain.order import Order
from services.orders.domain.saga import state
from tests.unit.orders.histories import History
from tests.unit.orders.plans import ParcelPlan, PaymentPlan, Plan, plans
from tests.unit.orders.truths import check

_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)


GIFT_OUT_OF_THE_EXCESS = Plan(
    parcels=(ParcelPlan(share=0, fate="delivered", exception=False, returned=0),),
    payments=(
        PaymentPlan(amount=7, how="sale", when=0, refuses=False, fails=frozenset({"refund"})),
        PaymentPlan(amount=1, how="authorize", when=0, refuses=False, fails=frozenset()),
        PaymentPlan(amount=7, how="sale", when=0, refuses=False, fails=frozenset()),
    ),
    gift=10, early_cancel=False, cancel_after=None, hold=False, persistent=False, seed=0, stock="reserve",
)  # fmt: skip
"""Somebody paid too much, a part of what is given back fails, and a person has it asked for again."""


GIFT_BEFORE_THE_EXCESS = Plan(
    parcels=(ParcelPlan(share=1),),
    payments=(
        PaymentPlan(amount=1, how="sale", when=2),
        PaymentPlan(amount=1, how="authorize", when=0, fails=frozenset({"refund"})),
    ),
    gift=10,
)
"""What is given back fails and is asked for again, and only then somebody pays a second time."""


@settings(max_examples=600, deadline=None, suppress_health_check=_SLOW)
@given(plans())
@example(GIFT_OUT_OF_THE_EXCESS)
@example(GIFT_BEFORE_THE_EXCESS)
def test_every_history_ends_with_nothing_said_twice_and_true_money(plan):
    check(History(plan).run())


@settings(max_examples=150, deadline=None, suppress_health_check=_SLOW)
@given(plans(), st.integers(0, 2**32))
def test_facts_join_alike_in_any_order_and_any_number_of_times(plan, seed):
    heard = History(plan).run().heard
    chance = random.Random(seed)
    shuffled = chance.sample(heard, len(heard)) + chance.choices(heard, k=3)
    middle = chance.randrange(len(shuffled) + 1)
    straight = reduce(join, heard, Facts())
    in_parts = join(reduce(join, shuffled[middle:], Facts()), reduce(join, shuffled[:middle], Facts()))
    assert in_parts == straight
    assert join(straight, straight) == straight


@settings(max_examples=100, deadline=None, suppress_health_check=_SLOW)
@given(plans())
def test_an_order_that_is_over_stays_so_whatever_comes_late(plan):
    history = History(plan).run()
    before = state(history.order)
    for again in tuple(history.heard):
        history._learn(again)
    assert state(history.order) == before
    check(history)


# --- The tests above would notice ---------------------------------------------------------------------------


def _broken(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Take out one thing that the money or the promise rests on."""
    if kind == "the rank of a parcel":
        joined = facts._join
        monkeypatch.setattr(facts, "_join", lambda a, b: b if isinstance(a, Parcel) else joined(a, b))
    elif kind == "the floor on cost":
        monkeypatch.setattr(balance, "at_least_zero", lambda amount: amount)
    elif kind == "the open-capture guard of void":
        _change_rule(monkeypatch, "void", when=lambda order: order.final)
    elif kind == "the count of refunds asked":
        monkeypatch.setitem(balance._COUNT, "refund", lambda *_: None)
    elif kind == "the count of captures asked":
        monkeypatch.setitem(balance._COUNT, "capture", lambda *_: None)
    elif kind == "parcels not heard of":
        monkeypatch.setattr(Order, "parcels", property(_heard_of))
    elif kind == "that a returned parcel's goods are worth nothing more":
        monkeypatch.setattr(balance, "worth", lambda known, key: known.returns[key].value)
    elif kind == "that placing was said":
        _change_rule(monkeypatch, "place", when=lambda _: True)
    elif kind == "the reasons to give up":
        _change_rule(monkeypatch, "give up", say=lambda _: [])
    elif kind == "the wish to cancel":
        monkeypatch.setattr(Order, "cancel_wanted", None)
    elif kind == "blocking what failed":
        monkeypatch.setattr(Account, "blocked", lambda *_: False)
    elif kind == "what people paid back in another way":
        monkeypatch.setattr(balance, "settled", lambda *_: 0)
    elif kind == "what people gave up":
        monkeypatch.setattr(balance, "_given_up", lambda _: 0)
    elif kind == "calling people for what money they collected":
        monkeypatch.setattr(attention, "_by_hand", lambda _: ())
    elif kind == "closing returns for which nothing goes back":
        _change_rule(monkeypatch, "cover", say=lambda _: [])
    elif kind == "that a gift comes out of what was paid too much by then":
        monkeypatch.setattr(
            wishes, "Gift", lambda amount, payment_id, word, *_: Gift(amount, payment_id, word)
        )
    elif kind == "that what is resolved may come up again":
        monkeypatch.setattr(attention, "numbered", lambda matter, _: matter)


def _change_rule(monkeypatch: pytest.MonkeyPatch, name: str, **changes: Any) -> None:
    changed = tuple(replace(rule, **changes) if rule.name == name else rule for rule in saga.RULES)
    monkeypatch.setattr(saga, "RULES", changed)


def _heard_of(order: Order) -> Any:
    held = order.reservation.parcels.items() if order.reservation is not None else ()
    return tuple((key, share, order.facts.parcels[key]) for key, share in held if key in order.facts.parcels)


@pytest.mark.parametrize(
    "kind",
    [
        "the rank of a parcel",
        "the floor on cost",
        "the open-capture guard of void",
        "the count of refunds asked",
        "the count of captures asked",
        "parcels not heard of",
        "that a returned parcel's goods are worth nothing more",
        "that placing was said",
        "the reasons to give up",
        "the wish to cancel",
        "blocking what failed",
        "what people paid back in another way",
        "what people gave up",
        "calling people for what money they collected",
        "closing returns for which nothing goes back",
        "that a gift comes out of what was paid too much by then",
        "that what is resolved may come up again",
    ],
)
def test_taking_out_any_of_these_is_noticed(monkeypatch, kind):
    _broken(monkeypatch, kind)

    # Finding one history is enough: no time is spent on making it small.
    @settings(
        max_examples=3_000,
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.generate,),
        report_multiple_bugs=False,
        suppress_health_check=_SLOW,
    )
    @given(plans())
    def histories(plan):
        check(History(plan).run())

    with pytest.raises(AssertionError):
        histories()
