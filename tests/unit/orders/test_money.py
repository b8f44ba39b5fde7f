"""Parts always add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.orders.domain.money import Units, largest_remainder, mismatch, split
from services.orders.domain.terms import Line


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**6), min_size=1, max_size=50).filter(any))
def test_parts_add_up_and_stay_within_one_of_their_exact_share(amount, weights):
    parts = largest_remainder(amount, weights)
    assert sum(parts) == amount
    whole = sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part * whole - amount * weight) < whole


def test_what_is_left_goes_to_the_largest_remainders_and_to_the_first_of_equal_ones():
    assert largest_remainder(100, [1, 1, 1]) == [34, 33, 33]
    assert largest_remainder(10, [6, 5, 1]) == [5, 4, 1]
    assert largest_remainder(0, [0, 0]) == [0, 0]
    with pytest.raises(ValueError, match="all weights are zero"):
        largest_remainder(1, [0, 0])


@st.composite
def reservations(draw):
    lines, units = [], []
    for number in range(draw(st.integers(1, 6))):
        quantities = draw(st.lists(st.integers(1, 9), min_size=1, max_size=3))
        line = Line(str(number), sum(quantities), draw(st.integers(0, 10_000)))
        lines.append(line)
        units += [Units(f"place {place}", line.line_id, each) for place, each in enumerate(quantities)]
    return lines, draw(st.integers(0, 5_000)), draw(st.permutations(units))


@given(reservations())
def test_the_shares_of_the_places_add_up_to_the_total(reservation):
    lines, shipping, units = reservation
    result = split(lines, shipping, units)
    assert sum(result.shares.values()) == sum(line.total for line in lines) + shipping
    assert sum(result.shipping.values()) == shipping
    for line in lines:
        values = [
            value for unit, value in zip(units, result.values, strict=True) if unit.line_id == line.line_id
        ]
        assert sum(values) == line.total
    assert mismatch(lines, units) == ""


def test_shipping_goes_by_value_and_by_quantity_when_everything_is_free():
    units = [Units("a", "1", 1), Units("b", "2", 3)]
    assert split([Line("1", 1, 300), Line("2", 3, 100)], 100, units).shipping == {"a": 75, "b": 25}
    assert split([Line("1", 1, 0), Line("2", 3, 0)], 100, units).shipping == {"a": 25, "b": 75}


def test_units_that_are_not_what_was_ordered_are_named():
    lines = [Line("1", 2, 100), Line("2", 1, 100)]
    assert "line 2: 0 units held, 1 ordered" in mismatch(lines, [Units("a", "1", 2)])
    assert "line 1: 3 units held, 2 ordered" in mismatch(lines, [Units("a", "1", 3), Units("a", "2", 1)])
    assert "line 9" in mismatch(lines, [Units("a", "1", 2), Units("a", "2", 1), Units("a", "9", 1)])
