"""Splitting money so that the parts always add up."""

from collections.abc import Iterable, Mapping, Sequence

from services.orders.domain.terms import Line
from shared.value_object import value_object


@value_object
class Units:
    """Units of one line that one place ships."""

    place_id: str
    line_id: str
    quantity: int


@value_object
class Split:
    """An order's money over its places, in minor units: `values` aligned with the units, shipping by place.

    A place's share = the values of its units + its shipping; the shares add up to the order's total.
    """

    values: tuple[int, ...]
    shipping: Mapping[str, int]
    shares: Mapping[str, int]


def largest_remainder(amount: int, weights: Sequence[int]) -> list[int]:
    """Parts of `amount` in proportion to `weights`, whole and adding up to it (Hamilton's method).

    What is left after rounding down goes one by one to the largest remainders, to the first of equal
    ones. Weights must not be negative and not be all zero unless `amount` is.
    """
    whole = sum(weights)
    if whole == 0:
        if amount:
            raise ValueError("nothing to split by: all weights are zero")
        return [0] * len(weights)
    parts = [amount * weight // whole for weight in weights]
    remainders = sorted(range(len(weights)), key=lambda index: (-(amount * weights[index] % whole), index))
    for index in remainders[: amount - sum(parts)]:
        parts[index] += 1
    return parts


def split(lines: Iterable[Line], shipping: int, units: Sequence[Units]) -> Split:
    """What each place's part of an order is worth.

    A line's total is split by quantity over its units, the shipping over the places by value, by quantity
    if all values are zero. `units` cover every line exactly (see `mismatch`); equal remainders go to the
    unit or place that stands first.
    """
    by_line: dict[str, list[int]] = {}
    for index, unit in enumerate(units):
        by_line.setdefault(unit.line_id, []).append(index)
    values = [0] * len(units)
    for line in lines:
        indexes = by_line[line.line_id]
        parts = largest_remainder(line.total, [units[index].quantity for index in indexes])
        for index, part in zip(indexes, parts, strict=True):
            values[index] = part
    worth: dict[str, int] = {}
    quantity: dict[str, int] = {}
    for unit, value in zip(units, values, strict=True):
        worth[unit.place_id] = worth.get(unit.place_id, 0) + value
        quantity[unit.place_id] = quantity.get(unit.place_id, 0) + unit.quantity
    weights = worth if any(worth.values()) else quantity
    by_place = dict(zip(worth, largest_remainder(shipping, list(weights.values())), strict=True))
    return Split(tuple(values), by_place, {place: worth[place] + by_place[place] for place in worth})


def mismatch(lines: Iterable[Line], units: Iterable[Units]) -> str:
    """Why units are not exactly the lines' quantities; empty when they are."""
    ordered = {line.line_id: line.quantity for line in lines}
    held: dict[str, int] = {}
    for unit in units:
        held[unit.line_id] = held.get(unit.line_id, 0) + unit.quantity
    for line_id in ordered | held:
        if ordered.get(line_id, 0) != held.get(line_id, 0):
            return f"line {line_id}: {held.get(line_id, 0)} units held, {ordered.get(line_id, 0)} ordered"
    return ""
