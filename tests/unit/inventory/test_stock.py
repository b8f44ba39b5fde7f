"""Levels never fall below zero, and the book differs from what was loaded by its movements."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.inventory.domain.stock import Book, Cause, Kind, Level, Movement, Overdrawn

CAUSE = Cause("adjustment", "a1", "tests")


def moved(
    on_hand: int = 0, reserved: int = 0, unavailable: int = 0, sku: str = "s", place: str = "p"
) -> Movement:
    return Movement(Kind.ADJUSTED, sku, place, 1, CAUSE, on_hand, reserved, unavailable)


@pytest.mark.parametrize(
    "movement",
    [moved(on_hand=-1), moved(reserved=1), moved(unavailable=1), moved(reserved=-1), moved(unavailable=-1)],
)
def test_nothing_is_taken_from_an_empty_shelf(movement: Movement) -> None:
    book = Book({})
    with pytest.raises(Overdrawn):
        book.move(movement)
    assert book.at("s", "p") == Level() and book.movements == [] and book.changed() == {}


def test_reserved_units_cannot_be_taken_away() -> None:
    book = Book({("s", "p"): Level(on_hand=5, reserved=3, unavailable=1)})
    with pytest.raises(Overdrawn):
        book.move(moved(on_hand=-2))
    book.move(moved(on_hand=-1))
    assert book.at("s", "p").available == 0


def test_what_went_there_and_back_is_in_the_ledger_and_no_change() -> None:
    book = Book({("s", "p"): Level(on_hand=5)})
    book.move_all([moved(reserved=2), moved(reserved=-2), moved(on_hand=1, place="q")])
    assert len(book.movements) == 3
    assert book.changed() == {("s", "q"): Level(on_hand=1)}
    assert book.was_loaded("s", "p") and not book.was_loaded("s", "q")


deltas = st.integers(-5, 8)


@given(st.lists(st.tuples(deltas, deltas, deltas, st.sampled_from("ab")), max_size=40))
def test_levels_are_the_sums_of_what_was_taken_in(asked: list[tuple[int, int, int, str]]) -> None:
    book = Book({})
    for on_hand, reserved, unavailable, place in asked:
        try:
            book.move(moved(on_hand, reserved, unavailable, place=place))
        except Overdrawn:
            continue
    for place in "ab":
        there = [movement for movement in book.movements if movement.place_id == place]
        level = book.at("s", place)
        assert level == Level(
            sum(movement.on_hand for movement in there),
            sum(movement.reserved for movement in there),
            sum(movement.unavailable for movement in there),
        )
        assert min(level.on_hand, level.reserved, level.unavailable, level.available) >= 0
