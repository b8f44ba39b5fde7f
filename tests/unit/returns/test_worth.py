"""An allocation's value, unit by unit."""

from hypothesis import given
from hypothesis import strategies as st

from services.returns.domain.worth import worth
from tests.unit.returns.builders import unhurried

money = st.integers(0, 10**12)
quantities = st.integers(1, 1_000)


@unhurried
@given(money, quantities, st.data())
def test_any_partial_returns_add_up_to_the_value_exactly(
    value: int, quantity: int, data: st.DataObject
) -> None:
    before = total = 0
    while before < quantity:
        count = data.draw(st.integers(1, quantity - before))
        part = worth(value, quantity, before, count)
        assert part >= 0
        total += part
        before += count
        assert total <= value
    assert total == value


@unhurried
@given(money, quantities)
def test_every_unit_is_worth_its_share_rounded_down_or_up(value: int, quantity: int) -> None:
    units = [worth(value, quantity, before, 1) for before in range(quantity)]
    assert set(units) <= {value // quantity, -(-value // quantity)}
    assert units.count(value // quantity + 1) == value % quantity


def test_a_hundred_over_three() -> None:
    assert [worth(100, 3, before, 1) for before in range(3)] == [33, 33, 34]
