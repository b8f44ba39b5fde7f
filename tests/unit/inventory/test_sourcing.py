"""One place before a split, then the nearest, then most stock; all or nothing."""

import sys
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.inventory.domain.geography import Located, Point
from services.inventory.domain.sourcing import Decision, Lack, Wanted, explain, source
from services.inventory.domain.stock import Book, Level

HERE = Located(Point(0, 0), "coordinates")
NEAR, MIDDLE, FAR = Point(1, 0), Point(5, 0), Point(20, 0)


def ask(
    stock: dict[tuple[str, str], int],
    *wanted: tuple[str, int],
    sites: dict[str, Point | None] | None = None,
    destination: Located | None = HERE,
    skus: set[str] | None = None,
    most: int = 2_000,
    most_places: int = 1_000,
) -> Decision | tuple[Lack, ...]:
    book = Book({key: Level(on_hand=units) for key, units in stock.items()})
    lines = [Wanted(f"l{number}", sku, quantity) for number, (sku, quantity) in enumerate(wanted)]
    if sites is None:
        sites = {"near": NEAR, "middle": MIDDLE, "far": FAR}
    known = skus if skus is not None else {sku for sku, _ in stock}
    return source(lines, book, known, sites, destination, most, most_places)


def chosen(decision: Decision | tuple[Lack, ...]) -> dict[str, int]:
    assert isinstance(decision, Decision)
    units = Counter[str]()
    for allotment in decision.allotments:
        units[allotment.place_id] += allotment.quantity
    return dict(units)


def test_one_far_place_before_a_split_over_two_near_ones() -> None:
    decision = ask({("s", "near"): 1, ("s", "middle"): 1, ("s", "far"): 2}, ("s", 2))
    assert chosen(decision) == {"far": 2}
    assert isinstance(decision, Decision) and decision.rule == "only_choice"


def test_the_nearest_of_those_that_have_everything() -> None:
    decision = ask({("s", "near"): 1, ("s", "middle"): 5, ("s", "far"): 500}, ("s", 2))
    assert chosen(decision) == {"middle": 2}
    assert isinstance(decision, Decision)
    assert explain(decision).startswith("middle: has everything and is the nearest")
    assert [candidate.place_id for candidate in decision.candidates] == ["middle", "far"]
    assert decision.candidates[0].kilometres == pytest.approx(556, abs=1)


def test_most_stock_where_distance_is_equal_or_unknown() -> None:
    stock = {("s", "a"): 2, ("s", "b"): 9, ("s", "c"): 4}
    assert chosen(ask(stock, ("s", 2), sites=dict.fromkeys("abc", NEAR))) == {"b": 2}
    assert chosen(ask(stock, ("s", 2), sites=dict.fromkeys("abc"))) == {"b": 2}
    nowhere = ask(stock, ("s", 2), sites={"a": NEAR, "b": FAR, "c": None}, destination=None)
    assert chosen(nowhere) == {"b": 2}
    assert isinstance(nowhere, Decision) and nowhere.rule == "most_stock" and nowhere.destination is None
    assert nowhere.candidates[0].kilometres is None


def test_a_place_nobody_can_locate_comes_after_those_that_are_known() -> None:
    decision = ask({("s", "lost"): 99, ("s", "far"): 1}, ("s", 1), sites={"lost": None, "far": FAR})
    assert chosen(decision) == {"far": 1}


def test_equal_in_everything_is_decided_by_id() -> None:
    decision = ask({("s", "b"): 2, ("s", "a"): 2}, ("s", 1), sites={"a": NEAR, "b": NEAR})
    assert chosen(decision) == {"a": 1}
    assert isinstance(decision, Decision) and decision.rule == "lowest_id"


def test_a_split_takes_the_fewest_places_and_serves_from_the_nearest_first() -> None:
    stock = {("s", "near"): 1, ("s", "middle"): 4, ("s", "far"): 4}
    decision = ask(stock, ("s", 5))
    assert chosen(decision) == {"near": 1, "middle": 4}
    assert isinstance(decision, Decision) and decision.rule == "fewest_places"
    assert chosen(ask(stock, ("s", 8))) == {"middle": 4, "far": 4}
    assert chosen(ask(stock, ("s", 9))) == {"near": 1, "middle": 4, "far": 4}


def test_lines_of_one_sku_are_summed() -> None:
    assert chosen(ask({("s", "near"): 3, ("s", "far"): 4}, ("s", 2), ("s", 2))) == {"far": 4}
    assert ask({("s", "near"): 3}, ("s", 2), ("s", 2)) == (Lack("s", 4, 3, "not_enough_stock"),)


def test_all_or_nothing_names_everything_that_lacks() -> None:
    lacks = ask({("s", "near"): 1, ("t", "near"): 5}, ("s", 2), ("t", 1), ("u", 1))
    assert lacks == (Lack("s", 2, 1, "not_enough_stock"), Lack("u", 1, 0, "unknown_sku"))


def test_an_inactive_or_unknown_place_ships_nothing() -> None:
    assert ask({("s", "closed"): 9}, ("s", 1), sites={}) == (Lack("s", 1, 0, "not_enough_stock"),)


def test_reserved_and_unavailable_units_are_not_there() -> None:
    book = Book({("s", "near"): Level(on_hand=9, reserved=5, unavailable=3)})
    assert isinstance(source([Wanted("l", "s", 1)], book, {"s"}, {"near": NEAR}, HERE, 10, 10), Decision)
    assert source([Wanted("l", "s", 2)], book, {"s"}, {"near": NEAR}, HERE, 10, 10) == (
        Lack("s", 2, 1, "not_enough_stock"),
    )


def test_too_many_parts_are_refused_with_that_reason() -> None:
    stock = {("s", f"p{number}"): 1 for number in range(10)} | {("t", "p0"): 1}
    sites = {f"p{number}": None for number in range(10)}
    assert chosen(ask(stock, ("s", 10), ("t", 1), sites=sites, most=11)) == {"p0": 2} | {
        f"p{number}": 1 for number in range(1, 10)
    }
    lacks = ask(stock, ("s", 10), ("t", 1), sites=sites, most=10)
    assert lacks == (Lack("s", 10, 10, "too_many_allocations"),)


def test_too_many_places_are_refused_even_if_no_sku_is_split() -> None:
    stock = {(f"s{number}", f"p{number}"): 1 for number in range(3)}
    sites: dict[str, Point | None] = {f"p{number}": None for number in range(3)}
    wanted = [(f"s{number}", 1) for number in range(3)]
    assert len(chosen(ask(stock, *wanted, sites=sites, most_places=3))) == 3
    lacks = ask(stock, *wanted, sites=sites, most_places=2)
    assert lacks == tuple(Lack(f"s{number}", 1, 1, "too_many_allocations") for number in range(3))


def test_many_places_are_searched_greedily_and_quickly() -> None:
    stock = {(f"s{number}", f"p{number % 40}"): 1 for number in range(400)}
    sites = {f"p{number}": Point(number, 0) for number in range(40)}
    decision = ask(stock, *((f"s{number}", 1) for number in range(400)), sites=sites)
    assert isinstance(decision, Decision)
    assert decision.rule == "greedy" and len(decision.places) == 40
    assert explain(decision).endswith("(40 looked at)")


def test_a_place_that_turns_out_needless_does_not_count_among_the_most_places() -> None:
    # "hub" covers most and is taken first; the four nearer ones, each needed for one thing, then serve all.
    stock = {(f"s{number}", "hub"): 2 for number in range(4)}
    for number in range(4):
        stock |= {(f"s{number}", f"p{number}"): 2, (f"t{number}", f"p{number}"): 1}
    sites: dict[str, Point | None] = {"hub": FAR, **{f"p{number}": NEAR for number in range(4)}}
    wanted = [(f"s{number}", 2) for number in range(4)] + [(f"t{number}", 1) for number in range(4)]
    decision = ask(stock, *wanted, sites=sites, most_places=4)
    assert chosen(decision) == {f"p{number}": 3 for number in range(4)}
    assert isinstance(decision, Decision) and decision.rule == "greedy"


def test_a_refusal_names_a_sku_that_is_split_only_beyond_the_most_places() -> None:
    stock = {(f"s{number}", f"p{number}"): 9 for number in range(4)} | {("t", "p4"): 1, ("t", "p5"): 1}
    sites: dict[str, Point | None] = {f"p{number}": NEAR for number in range(6)}
    wanted = [*((f"s{number}", 9) for number in range(4)), ("t", 2)]
    lacks = ask(stock, *wanted, sites=sites, most_places=3)
    assert lacks == (Lack("t", 2, 2, "too_many_allocations"),)


def steps(places: int, owners: int) -> int:
    """The instructions Python runs for an order of 80 SKUs, each wanted whole from as many owners.

    Unlike the time they take, they are the same on every machine.
    """
    skus = [f"s{number}" for number in range(80)]
    stock = {(sku, f"p{(nth + more) % places}"): 1 for nth, sku in enumerate(skus) for more in range(owners)}
    sites: dict[str, Point | None] = {f"p{number}": Point(number, 0) for number in range(places)}
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., Any]:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        refused = ask(stock, *((sku, owners) for sku in skus), sites=sites, most_places=25)
    finally:
        sys.settrace(before)
    assert not isinstance(refused, Decision) and len(refused) == len(skus)
    return count


def test_the_greedy_search_takes_as_long_as_there_is_stock_not_as_there_are_pairs_of_places() -> None:
    assert steps(places=60, owners=1) < 2 * steps(places=30, owners=1)
    assert steps(places=60, owners=60) < 2.5 * steps(places=30, owners=30)


places = st.sampled_from("abcde")
skus = st.sampled_from("xyz")
stocks = st.dictionaries(st.tuples(skus, places), st.integers(0, 6), max_size=15)
orders = st.lists(st.tuples(skus, st.integers(1, 6)), min_size=1, max_size=5)
points = st.one_of(st.none(), st.builds(Point, st.integers(-80, 80), st.integers(-180, 180)))


@given(stocks, orders, st.fixed_dictionaries(dict.fromkeys("abcde", points)), points)
def test_everything_or_nothing_from_as_few_places_as_can(
    stock: dict[tuple[str, str], int],
    order: list[tuple[str, int]],
    sites: dict[str, Point | None],
    destination: Point | None,
) -> None:
    located = Located(destination, "city") if destination is not None else None
    decision = ask(stock, *order, sites=sites, destination=located, skus=set("xyz"))
    wanted = Counter[str]()
    for sku, quantity in order:
        wanted[sku] += quantity

    def fewest() -> int:
        for size in range(1, 6):
            for group in combinations("abcde", size):
                if all(
                    sum(stock.get((sku, it), 0) for it in group) >= units for sku, units in wanted.items()
                ):
                    return size
        return 0

    if not isinstance(decision, Decision):
        assert fewest() == 0
        assert {lack.sku for lack in decision} == {
            sku for sku, units in wanted.items() if sum(stock.get((sku, it), 0) for it in "abcde") < units
        }
        return
    # Exact up to three places, near the fewest beyond.
    assert len(decision.places) == fewest() or (decision.rule == "greedy" and fewest() > 3)
    per_line = Counter[str]()
    taken = Counter[tuple[str, str]]()
    for allotment in decision.allotments:
        assert allotment.quantity > 0
        per_line[allotment.line_id] += allotment.quantity
        taken[allotment.sku, allotment.place_id] += allotment.quantity
    assert per_line == {f"l{number}": quantity for number, (_, quantity) in enumerate(order)}
    assert all(units <= stock.get(key, 0) for key, units in taken.items())
    assert {place for _, place in taken} == set(decision.places)
    keys = [(allotment.line_id, allotment.place_id) for allotment in decision.allotments]
    assert len(keys) == len(set(keys))
    assert explain(decision)
