"""What people submit is applied or refused with what would be right."""

import pytest

from services.inventory.domain.adjustment import Adjustment, Counter, Refusal, adjust
from services.inventory.domain.stock import MOST_UNITS, Book, Kind, Level, Movement


def submit(
    delta: int, counter: Counter = "on_hand", reason: str = "correction", **other: str
) -> Movement | Refusal:
    book = Book({("s", "p"): Level(on_hand=10, reserved=4, unavailable=2)})
    one = Adjustment("a1", other.get("sku", "s"), other.get("place", "p"), counter, delta, reason)
    return adjust(one, book, {"s"}, {"p"}, "clerk")


@pytest.mark.parametrize(
    ("delta", "counter", "reason", "kind"),
    [
        (5, "on_hand", "received", Kind.RECEIVED),
        (-4, "on_hand", "counted", Kind.COUNTED),
        (1, "on_hand", "found", Kind.COUNTED),
        (-4, "on_hand", "stolen", Kind.ADJUSTED),
        (4, "unavailable", "damaged", Kind.QUARANTINED),
        (-2, "unavailable", "released", Kind.CLEARED),
        (0, "on_hand", "counted", Kind.COUNTED),
    ],
)
def test_what_fits_becomes_a_movement(delta: int, counter: Counter, reason: str, kind: Kind) -> None:
    movement = submit(delta, counter, reason)
    assert isinstance(movement, Movement)
    assert (movement.kind, movement.quantity, movement.cause.reason) == (kind, abs(delta), reason)
    assert getattr(movement, counter) == delta
    assert movement.reserved == 0


@pytest.mark.parametrize(
    ("delta", "counter", "code", "says"),
    [
        (
            -5,
            "on_hand",
            "not_enough_free",
            "only 4 units are free at p (10 on hand, 4 reserved, 2 unavailable)",
        ),
        (5, "unavailable", "not_enough_free", "only 4 units are free"),
        (-3, "unavailable", "not_in_quarantine", "only 2 units are in quarantine"),
        (MOST_UNITS, "on_hand", "too_many", "on_hand would exceed"),
    ],
)
def test_what_would_break_a_promise_is_refused(delta: int, counter: Counter, code: str, says: str) -> None:
    refusal = submit(delta, counter)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.field) == (code, "delta")
    assert says in refusal.problem


def test_unknown_names_are_refused_with_the_way_to_create_them() -> None:
    sku, place = submit(1, sku="other"), submit(1, place="other")
    assert isinstance(sku, Refusal) and (sku.code, sku.field) == ("unknown_sku", "sku")
    assert isinstance(place, Refusal) and (place.code, place.field) == ("unknown_place", "place_id")
    assert place.remedy == "create it with PUT /places/other"
