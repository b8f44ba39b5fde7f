"""A reservation's facts join in any order, and quantities move once for each."""

from collections import Counter
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from services.inventory.domain.reservation import (
    Answer,
    Fate,
    Parcel,
    Reservation,
    cancel,
    name_of,
    reject,
    reserve,
    settle,
)
from services.inventory.domain.sourcing import Decision, Wanted, source
from services.inventory.domain.stock import Book, Kind, Level

ORDER = (Wanted("l1", "x", 3), Wanted("l2", "y", 2), Wanted("l3", "x", 1))
SITES = dict.fromkeys(("a", "b"))


def stocked(**levels: int) -> Book:
    """`x_a=3`: three units of x at a."""
    return Book({(key[0], key[2]): Level(on_hand=units) for key, units in levels.items()})


def place(reservation: Reservation, book: Book, lines: tuple[Wanted, ...] = ORDER) -> Reservation:
    if not reservation.undecided:
        return reservation
    decision = source(lines, book, {"x", "y"}, SITES, None, 100, 25)
    if isinstance(decision, Decision):
        return reserve(reservation, "r1", decision, book)
    return reject(reservation)


def parcel(place_id: str, fate: Fate, **not_found: int) -> Parcel:
    return Parcel(place_id, fate, f"ship-{place_id}", not_found)


def new() -> Reservation:
    return Reservation("o1", "trace")


def test_reserve_then_dispatch_each_parcel_once() -> None:
    book = stocked(x_a=3, x_b=9, y_a=9)
    held = place(new(), book)
    assert held.answer is Answer.RESERVED and held.version == 1
    assert {(it.line_id, it.place_id): it.quantity for it in held.held} == {
        ("l1", "a"): 3,
        ("l2", "a"): 2,
        ("l3", "b"): 1,
    }
    for place_id in ("a", "b", "b", "a"):
        held = settle(held, parcel(place_id, Fate.DISPATCHED), book)
    assert held.held == ()
    total = sum(book.at(sku, at).on_hand for sku in "xy" for at in "ab")
    assert total == 21 - 6 and book.at("x", "a").reserved == book.at("x", "b").reserved == 0


def test_cancel_gives_back_what_is_held_and_is_said_once() -> None:
    book = stocked(x_a=9, y_a=9)
    held = place(new(), book)
    cancelled = cancel(held, book, "customer")
    assert cancelled is not None and cancelled.version == 2 and cancelled.held == ()
    assert book.at("x", "a") == Level(on_hand=9)
    assert cancel(cancelled, book, "again") is None


def test_the_same_decision_is_the_same_reservation_and_another_is_another() -> None:
    def named(order_id: str, **levels: int) -> str:
        decision = source(ORDER, stocked(**levels), {"x", "y"}, SITES, None, 100, 25)
        assert isinstance(decision, Decision)
        return name_of(order_id, decision)

    assert named("o1", x_a=4, y_a=2) == named("o1", x_a=9, y_a=9), "what is left beside it does not matter"
    assert len({named("o1", x_a=4, y_a=2), named("o1", x_b=4, y_b=2), named("o2", x_a=4, y_a=2)}) == 3


def test_a_cancel_that_came_first_is_a_tombstone() -> None:
    book = stocked(x_a=9, y_a=9)
    tombstone = cancel(new(), book, "customer")
    assert tombstone is not None and not tombstone.undecided
    assert place(tombstone, book) is tombstone
    assert book.movements == []


def test_units_not_found_are_unavailable_and_the_rest_is_free() -> None:
    book = stocked(x_a=5, y_a=2)
    held = settle(place(new(), book), parcel("a", Fate.CANCELLED, l1=2, l3=9), book)
    assert book.at("x", "a") == Level(on_hand=5, unavailable=3)
    assert book.at("y", "a") == Level(on_hand=2)
    assert held.parcels["a"].fate is Fate.CANCELLED
    assert settle(held, parcel("a", Fate.CANCELLED, l1=1), book) is held


def test_units_not_found_that_were_promised_meanwhile_are_left_to_their_new_owner() -> None:
    book = stocked(x_a=4, y_a=2)
    cancelled = cancel(place(new(), book), book, "customer")
    assert cancelled is not None
    place(Reservation("o2", "trace"), book, (Wanted("l1", "x", 3),))
    settle(cancelled, parcel("a", Fate.CANCELLED, l1=3), book)
    assert book.at("x", "a") == Level(on_hand=4, reserved=3, unavailable=1)
    movement = book.movements[-1]
    assert (movement.kind, movement.quantity, movement.unavailable) == (Kind.NOT_FOUND, 3, 1)
    assert movement.cause.note == "2 of 3 had been promised to others"


def test_a_parcel_heard_of_before_its_order_takes_effect_with_it() -> None:
    book = stocked(x_a=5, y_a=5)
    early = settle(new(), parcel("a", Fate.DISPATCHED), book)
    assert early.undecided and book.movements == []
    after = place(early, book)
    assert after.held == () and book.at("x", "a") == Level(on_hand=1)


def test_a_rejected_order_holds_nothing_whatever_else_is_heard() -> None:
    book = stocked(x_a=1, y_a=1)
    rejected = place(new(), book)
    assert rejected.answer is Answer.REJECTED
    settle(rejected, parcel("a", Fate.CANCELLED, l1=1), book)
    assert book.movements == []


facts = st.one_of(
    st.just("placed"),
    st.just("cancelled"),
    st.builds(parcel, st.sampled_from("ab"), st.just(Fate.DISPATCHED)),
    st.builds(
        parcel, st.sampled_from("ab"), st.just(Fate.CANCELLED), l1=st.integers(0, 3), l3=st.integers(0, 2)
    ),
)
histories = st.lists(st.tuples(st.sampled_from(("o1", "o2", "o3")), facts), max_size=30)
levels = st.dictionaries(
    st.tuples(st.sampled_from("xy"), st.sampled_from("ab")), st.integers(0, 9), max_size=4
)


def play(book: Book, history: list[tuple[str, str | Parcel]]) -> dict[str, Reservation]:
    orders = {name: Reservation(name, "trace") for name in ("o1", "o2", "o3")}
    for name, fact in history:
        if fact == "placed":
            orders[name] = place(orders[name], book)
        elif isinstance(fact, Parcel):
            orders[name] = settle(orders[name], fact, book)
        else:
            orders[name] = cancel(orders[name], book, "why") or orders[name]
    return orders


def check(book: Book, loaded: Mapping[tuple[str, str], int], orders: Mapping[str, Reservation]) -> None:
    held = Counter[tuple[str, str]]()
    for reservation in orders.values():
        for allotment in reservation.held:
            held[allotment.sku, allotment.place_id] += allotment.quantity
    for sku in "xy":
        for place_id in "ab":
            level = book.at(sku, place_id)
            moved = [it for it in book.movements if (it.sku, it.place_id) == (sku, place_id)]
            assert min(level.on_hand, level.reserved, level.unavailable, level.available) >= 0
            assert level.on_hand == loaded.get((sku, place_id), 0) + sum(it.on_hand for it in moved)
            assert level.reserved == sum(it.reserved for it in moved) == held[sku, place_id]
            assert level.unavailable == sum(it.unavailable for it in moved)


@given(levels, histories)
def test_any_order_of_facts_with_duplicates_ends_consistent(
    loaded: dict[tuple[str, str], int], history: list[tuple[str, str | Parcel]]
) -> None:
    book = Book({key: Level(on_hand=units) for key, units in loaded.items()})
    orders = play(book, history)
    check(book, loaded, orders)
    for name, reservation in orders.items():
        mine = [fact for order, fact in history if order == name]
        assert reservation.cancelled == ("cancelled" in mine)
        assert not (reservation.held and reservation.cancelled)
        dispatched = {
            fact.place_id for fact in mine if isinstance(fact, Parcel) and fact.fate is Fate.DISPATCHED
        }
        assert all(reservation.parcels[place_id].fate is Fate.DISPATCHED for place_id in dispatched)
    once = len(book.movements)
    again = dict(orders)
    for name, fact in history:  # Everything once more: nothing moves.
        if isinstance(fact, Parcel):
            again[name] = settle(again[name], fact, book)
        elif fact == "cancelled":
            assert cancel(again[name], book, "why") is None
        else:
            again[name] = place(again[name], book)
    assert again == orders and len(book.movements) == once


@given(st.permutations(["placed", parcel("a", Fate.DISPATCHED), parcel("a", Fate.CANCELLED, l1=2), "placed"]))
def test_one_parcel_ends_alike_whatever_is_heard_first(history: list[str | Parcel]) -> None:
    book = stocked(x_a=9, y_a=9)
    orders = play(book, [("o1", fact) for fact in history])
    assert orders["o1"].parcels["a"].fate is Fate.DISPATCHED
    assert book.at("x", "a").on_hand == 5 and book.at("y", "a").on_hand == 7
    check(book, {("x", "a"): 9, ("y", "a"): 9}, orders)
