"""Quantities: levels, the movements that change them, and the book in which a batch decides."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from shared.value_object import value_object

MOST_UNITS = 10**12
"""More than this of a SKU at one place is a typing error; the contracts carry no larger counts."""


class Kind(StrEnum):
    """What a movement is. The ledger is typed by it."""

    RECEIVED = "received"
    COUNTED = "counted"
    ADJUSTED = "adjusted"
    QUARANTINED = "quarantined"
    CLEARED = "cleared"  # Out of quarantine, free again.
    RESERVED = "reserved"
    RELEASED = "released"
    DISPATCHED = "dispatched"
    NOT_FOUND = "not_found"
    RESTOCKED = "restocked"
    SCRAPPED = "scrapped"


@value_object
class Level:
    """Units of one SKU at one place. `reserved` and `unavailable` are parts of `on_hand`, never the same part."""

    on_hand: int = 0
    reserved: int = 0
    unavailable: int = 0

    @property
    def available(self) -> int:
        """Units that may still be promised; never below zero."""
        return self.on_hand - self.reserved - self.unavailable


@value_object
class Cause:
    """Why a quantity changed: which order, shipment, return or adjustment, who, and in their words."""

    kind: Literal["order", "shipment", "return", "adjustment"]
    id: str
    actor: str
    reason: str = ""
    note: str = ""


@value_object
class Movement:
    """One row of the ledger: `quantity` units moved, and by how much that changed each counter."""

    kind: Kind
    sku: str
    place_id: str
    quantity: int
    cause: Cause
    on_hand: int = 0
    reserved: int = 0
    unavailable: int = 0


class Overdrawn(ValueError):
    """A decision would take a counter below zero: a fault of the rules, since they look before they decide."""


_NOWHERE: Mapping[str, Level] = MappingProxyType({})
_NOTHING = Level()


class Book:
    """The stock of some SKUs as it was loaded under their locks, and everything decided about it since.

    Decisions of one batch are taken one after the other over the same book, so each sees what the ones before
    it took. Guarantees that no level is ever negative and that levels differ from the loaded ones by exactly
    the sum of `movements`.
    """

    def __init__(self, levels: Mapping[tuple[str, str], Level]) -> None:
        self._loaded = levels
        self._levels: dict[str, dict[str, Level]] = {}
        for (sku, place_id), level in levels.items():
            self._levels.setdefault(sku, {})[place_id] = level
        self.movements: list[Movement] = []

    def at(self, sku: str, place_id: str) -> Level:
        """The level as decided so far."""
        return self._levels.get(sku, _NOWHERE).get(place_id, _NOTHING)

    def places(self, sku: str) -> Mapping[str, Level]:
        """Where there is or was stock of a SKU, by place id."""
        return self._levels.get(sku, _NOWHERE)

    def move(self, movement: Movement) -> None:
        """Take a decision into the book. Raises Overdrawn when a counter would fall below zero."""
        old = self.at(movement.sku, movement.place_id)
        new = Level(
            old.on_hand + movement.on_hand,
            old.reserved + movement.reserved,
            old.unavailable + movement.unavailable,
        )
        if new.on_hand < 0 or new.reserved < 0 or new.unavailable < 0 or new.available < 0:
            raise Overdrawn(f"{movement} on {old}")
        self._levels.setdefault(movement.sku, {})[movement.place_id] = new
        self.movements.append(movement)

    def move_all(self, movements: Iterable[Movement]) -> None:
        """Take several decisions in, in order."""
        for movement in movements:
            self.move(movement)

    def changed(self) -> dict[tuple[str, str], Level]:
        """The levels that are not as they were loaded, by SKU and place, in that order."""
        touched = sorted({(movement.sku, movement.place_id) for movement in self.movements})
        return {key: self.at(*key) for key in touched if self.at(*key) != self._loaded.get(key, _NOTHING)}

    def was_loaded(self, sku: str, place_id: str) -> bool:
        """Whether this pair of SKU and place was known when the book was opened."""
        return (sku, place_id) in self._loaded
