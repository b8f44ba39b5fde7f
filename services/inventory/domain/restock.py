"""Goods that came back: what their disposition means for the shelf."""

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from services.inventory.domain.stock import Cause, Kind, Movement
from shared.value_object import value_object

Disposition = Literal["restock", "quarantine", "scrap"]


@value_object
class Returned:
    """Units of a SKU that came back in one condition."""

    sku: str
    quantity: int
    condition: str
    disposition: Disposition


def take_back(units: Iterable[Returned], place_id: str, cause: Cause) -> list[Movement]:
    """The movements of one received return, at most one per SKU and disposition.

    Restocked units can be sold at once, quarantined ones lie on the shelf unavailable, scrapped ones never
    come on hand: the ledger keeps their number and no counter changes. A unit found missing did not come,
    whatever was to be done with it.
    """
    sums: Counter[tuple[str, Disposition]] = Counter()
    for unit in units:
        sums[unit.sku, "scrap" if unit.condition == "missing" else unit.disposition] += unit.quantity
    return [
        _movement(sku, place_id, quantity, disposition, cause)
        for (sku, disposition), quantity in sorted(sums.items())
    ]


def _movement(sku: str, place_id: str, quantity: int, disposition: Disposition, cause: Cause) -> Movement:
    if disposition == "restock":
        return Movement(Kind.RESTOCKED, sku, place_id, quantity, cause, on_hand=quantity)
    if disposition == "quarantine":
        return Movement(
            Kind.QUARANTINED, sku, place_id, quantity, cause, on_hand=quantity, unavailable=quantity
        )
    return Movement(Kind.SCRAPPED, sku, place_id, quantity, cause)
