"""Facts in any order, and random lives of orders with returns."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.returns.domain.change import Change
from services.returns.domain.choose import Wanted
from services.returns.domain.offer import offers
from services.returns.domain.order import Confirmation, ReturnableOrder, confirm, deliver, lose, refund
from services.returns.domain.receive import Found, expire, reject
from services.returns.domain.returns import Origin, State
from services.returns.domain.send_back import send_back
from tests.unit.returns.builders import NOW, POLICY, allocation, ask, back, delivered, unhurried

PARCELS = ("p1", "p2", "p3")
ALLOCATIONS = (allocation("p1", "l1", 2, 999), allocation("p2", "l1", 1, 500), allocation("p3", "l2", 4, 7))

Fact = Callable[[ReturnableOrder], ReturnableOrder]


def sent_back(order: ReturnableOrder, parcel: str) -> ReturnableOrder:
    contents = [(each.line_id, each.sku, each.quantity) for each in ALLOCATIONS if each.shipment_id == parcel]
    change = send_back(order, parcel, contents, NOW)
    return change.order if change is not None else order


def facts() -> list[Fact]:
    return [
        lambda order: confirm(order, Confirmation("web", "W-1", "EUR", ALLOCATIONS)),
        lambda order: deliver(order, "p1", NOW),
        lambda order: deliver(order, "p1", NOW - timedelta(hours=1)),
        lambda order: deliver(order, "p2", NOW),
        lambda order: sent_back(order, "p3"),
        lambda order: refund(order, ["r1", "r2"]),
        lambda order: refund(order, ["r2", "r3"]),
        lambda order: lose(order, ["p2", "p4"], "lost"),
        lambda order: lose(order, ["p4", "p5"], "cancelled"),
    ]


def outcome(order: ReturnableOrder) -> tuple[object, ...]:
    returns = {key: (each.units, each.state, each.refunded) for key, each in order.returns.items()}
    parcels = order.delivered, order.sent_back, order.undelivered
    return order.confirmation, parcels, order.refunded, returns, order.free()


@unhurried
@given(st.permutations(range(9)), st.lists(st.integers(0, 8), max_size=10), st.randoms())
def test_facts_join_alike_in_any_order_however_often(
    sequence: list[int], repeated: list[int], chance: random.Random
) -> None:
    expected = ReturnableOrder("o1", "trace")
    for fact in facts():
        expected = fact(expected)
    mixed = sequence + repeated
    chance.shuffle(mixed)
    order = ReturnableOrder("o1", "trace")
    for index in mixed:
        known, order = order, facts()[index](order)
        assert (order is known) or order.version == known.version + 1
        assert facts()[index](order) is order, "the same fact twice is no news"
    assert outcome(order) == outcome(expected)


class Life:
    """An order to which random things happen; what must always hold is checked after each of them."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.allocations = tuple(
            allocation(parcel, line, chance.randint(1, 6), chance.choice([0, 1, 5, 999, 10_000]))
            for parcel in PARCELS
            for line in ("l1", "l2")
        )
        self.order = delivered(*self.allocations)
        self.asked = 0

    def step(self) -> None:
        self.chance.choice(
            (self.ask, self.ask, self.receive, self.receive, self.reject, self.refund, self.expire)
        )()
        self.check()

    def ask(self) -> None:
        self.asked += 1
        units = [
            Wanted(
                self.chance.choice(("l1", "l2")),
                self.chance.randint(1, 3),
                "late",
                self.chance.choice((None, *PARCELS)),
            )
            for _ in range(self.chance.randint(1, 3))
        ]
        self.keep(ask(self.order, *units, return_id=f"r{self.asked}"))

    def receive(self) -> None:
        if not self.order.returns:
            return
        return_id = self.chance.choice(sorted(self.order.returns))
        units = [
            Found(
                units.line_id, self.chance.randint(1, units.quantity + 1), "new", "restock", units.shipment_id
            )
            for units in self.order.returns[return_id].units
        ]
        self.keep(
            back(self.order, return_id, self.chance.sample(units, self.chance.randint(1, len(units))), "w1")
        )

    def reject(self) -> None:
        if self.order.returns:
            return_id = self.chance.choice(sorted(self.order.returns))
            self.keep(reject(self.order, return_id, "no", now=NOW, actor="desk"))

    def expire(self) -> None:
        if self.order.returns:
            self.keep(
                expire(self.order, self.chance.choice(sorted(self.order.returns)), now=NOW + POLICY.patience)
            )

    def refund(self) -> None:
        self.order = refund(self.order, [f"r{self.chance.randint(1, 20)}"])

    def keep(self, decision: object) -> None:
        if isinstance(decision, Change):
            was = self.order.returns.get(decision.return_id)
            said = decision.order.version - self.order.version
            assert said == (1 if decision.says else 0), "a version for each thing said, and none for nothing"
            if was is not None and was.state in (State.REJECTED, State.CLOSED, State.RECEIVED):
                assert decision.says is None, "an end is said once"
            self.order = decision.order

    def check(self) -> None:
        back_by_spot, value_by_spot = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        for each in self.order.returns.values():
            for units in each.receipt.units if each.receipt else ():
                back_by_spot[units.spot] += units.quantity
                value_by_spot[units.spot] += units.value
        awaited, free = self.order.awaited(), self.order.free()
        for each in self.allocations:
            came = back_by_spot[each.spot]
            assert came + awaited[each.spot] + free[each.spot] == each.quantity
            assert value_by_spot[each.spot] == each.value * came // each.quantity
        for each_return in self.order.returns.values():
            assert each_return.receipt is None or each_return.rejection is None


@unhurried
@given(st.randoms(use_true_random=False))
def test_whatever_happens_no_unit_comes_back_twice_and_values_add_up(chance: random.Random) -> None:
    life = Life(chance)
    for _ in range(30):
        life.step()
    wind_up(life)


def wind_up(life: Life) -> None:
    """Everything still out comes back, and then every allocation is worth exactly its value."""
    for each in list(life.order.returns.values()):
        if each.state is State.AUTHORIZED:
            life.keep(reject(life.order, each.return_id, "start over", now=NOW, actor="desk"))
    rest = [Wanted(line, count, "late", parcel) for (parcel, line), count in life.order.free().items()]
    if rest:
        life.keep(ask(life.order, *rest, return_id="last"))
        units = [Found(each.line_id, each.quantity, "new", "scrap", each.shipment_id) for each in rest]
        life.keep(back(life.order, "last", units, "w1"))
    life.check()
    total = sum(each.receipt.value for each in life.order.returns.values() if each.receipt)
    assert total == sum(each.value for each in life.allocations)
    assert not life.order.free()


def test_offers_say_what_may_come_back_until_when_and_why_not() -> None:
    order = confirm(ReturnableOrder("o1", "trace"), Confirmation("web", "W-1", "EUR", ALLOCATIONS))
    order = sent_back(deliver(order, "p1", NOW), "p3")
    first, second, third = offers(order, POLICY, NOW)
    assert (first.returnable, first.why_not, first.until) == (2, "", NOW + POLICY.window)
    assert (second.returnable, second.why_not, second.until) == (0, "not_delivered", None)
    assert (third.returnable, third.why_not) == (0, "returned_to_sender")
    late = offers(order, POLICY, NOW + POLICY.window + timedelta(seconds=1))[0]
    assert (late.returnable, late.why_not) == (0, "window_over")
    taken = ask(order, Wanted("l1", 2, "late"))
    assert isinstance(taken, Change)
    gone = offers(taken.order, POLICY, NOW)[0]
    assert (gone.authorized, gone.returned, gone.returnable, gone.why_not) == (2, 0, 0, "nothing_left")


def test_returned_to_sender_and_customers_are_counted_apart() -> None:
    order = sent_back(delivered(*ALLOCATIONS), "p3")
    [opened] = [each for each in order.returns.values() if each.origin is Origin.RETURNED_TO_SENDER]
    change = back(order, opened.return_id, [Found("l2", 4, "new", "restock")])
    assert isinstance(change, Change)
    assert change.order.came_back() == {}
    assert change.order.free() == {("p1", "l1"): 2, ("p2", "l1"): 1}


def test_parcels_that_never_arrive_offer_nothing_unless_they_arrived_all_the_same() -> None:
    order = confirm(ReturnableOrder("o1", "trace"), Confirmation("web", "W-1", "EUR", ALLOCATIONS))
    order = lose(lose(lose(order, ["p1"], "lost"), ["p2"], "cancelled"), ["p3"], "lost")
    order = deliver(order, "p3", NOW)
    first, second, third = offers(order, POLICY, NOW)
    assert (first.returnable, first.why_not) == (0, "lost")
    assert (second.returnable, second.why_not) == (0, "cancelled")
    assert (third.returnable, third.why_not) == (4, "")
