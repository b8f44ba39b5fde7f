"""Distances against published ones."""

import pytest

from services.inventory.domain.geography import Point, kilometres

BERLIN, PARIS = Point(52.52, 13.405), Point(48.8566, 2.3522)
SAO_PAULO, MANAUS = Point(-23.5505, -46.6333), Point(-3.119, -60.0217)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (BERLIN, PARIS, 878),
        (SAO_PAULO, MANAUS, 2_689),
        (Point(0, 179.5), Point(0, -179.5), 111.2),
        (Point(90, 0), Point(-90, 120), 20_015),
        (BERLIN, BERLIN, 0),
    ],
)
def test_distances(a: Point, b: Point, expected: float) -> None:
    assert kilometres(a, b) == pytest.approx(expected, rel=0.006, abs=0.1)
    assert kilometres(a, b) == pytest.approx(kilometres(b, a))
