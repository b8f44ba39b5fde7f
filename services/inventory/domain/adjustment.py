"""Changes that people and warehouse systems submit."""

from collections.abc import Collection
from typing import Literal

from services.inventory.domain.stock import MOST_UNITS, Book, Cause, Kind, Level, Movement
from shared.value_object import value_object

Counter = Literal["on_hand", "unavailable"]

_KINDS = {"received": Kind.RECEIVED, "counted": Kind.COUNTED, "found": Kind.COUNTED}


@value_object
class Adjustment:
    """Change a counter by `delta`; the same id is the same change.

    `on_hand`: units came or went. `unavailable`: units stay on the shelf and go into (positive) or come out
    of (negative) quarantine.
    """

    adjustment_id: str
    sku: str
    place_id: str
    counter: Counter
    delta: int
    reason: str
    note: str = ""


@value_object
class Refusal:
    """Why an adjustment is not taken. `code` is stable; `field` names what is at fault."""

    code: Literal[
        "unknown_sku", "unknown_place", "not_enough_free", "not_in_quarantine", "too_many", "id_reused"
    ]
    field: str
    problem: str
    remedy: str


def adjust(
    adjustment: Adjustment, book: Book, skus: Collection[str], places: Collection[str], actor: str
) -> Movement | Refusal:
    """The movement an adjustment makes, or why it is refused. Does not touch the book.

    Promised units are not there to be taken: an order that holds them must be cancelled or found short first.
    """
    if adjustment.sku not in skus:
        remedy = f"create it with PUT /skus/{adjustment.sku}"
        return Refusal("unknown_sku", "sku", f"SKU {adjustment.sku} is not in the catalogue", remedy)
    if adjustment.place_id not in places:
        remedy = f"create it with PUT /places/{adjustment.place_id}"
        return Refusal("unknown_place", "place_id", f"place {adjustment.place_id} does not exist", remedy)
    refusal = _impossible(adjustment, book.at(adjustment.sku, adjustment.place_id))
    if refusal is not None:
        return refusal
    cause = Cause("adjustment", adjustment.adjustment_id, actor, adjustment.reason, adjustment.note)
    delta, quantity = adjustment.delta, abs(adjustment.delta)
    if adjustment.counter == "on_hand":
        kind = _KINDS.get(adjustment.reason, Kind.ADJUSTED)
        return Movement(kind, adjustment.sku, adjustment.place_id, quantity, cause, on_hand=delta)
    kind = Kind.QUARANTINED if delta > 0 else Kind.CLEARED
    return Movement(kind, adjustment.sku, adjustment.place_id, quantity, cause, unavailable=delta)


def _impossible(adjustment: Adjustment, level: Level) -> Refusal | None:
    delta = adjustment.delta
    if adjustment.counter == "on_hand" and level.on_hand + delta > MOST_UNITS:
        return Refusal("too_many", "delta", f"on_hand would exceed {MOST_UNITS}", "check the number of units")
    if adjustment.counter == "unavailable" and level.unavailable + delta < 0:
        problem = f"only {level.unavailable} units are in quarantine at {adjustment.place_id}"
        return Refusal("not_in_quarantine", "delta", problem, "take out no more than that")
    takes = -delta if adjustment.counter == "on_hand" else delta
    if takes > level.available:
        problem = (
            f"only {level.available} units are free at {adjustment.place_id}"
            f" ({level.on_hand} on hand, {level.reserved} reserved, {level.unavailable} unavailable)"
        )
        remedy = "take no more than are free; cancel what holds the others, or clear the quarantine, first"
        return Refusal("not_enough_free", "delta", problem, remedy)
    return None
