"""What is sold and where it lies: the master data that decisions need."""

from collections.abc import Mapping
from typing import Any, Literal

from shared.value_object import value_object

PlaceKind = Literal["warehouse", "store", "third_party"]


@value_object
class Size:
    """Outer size of one unit in millimetres."""

    length_mm: int
    width_mm: int
    height_mm: int


@value_object
class Sku:
    """Something that is sold by the unit; weight and size may be unknown."""

    sku: str
    title: str | None = None
    weight_g: int | None = None
    size: Size | None = None


@value_object
class Place:
    """A warehouse, store or third party. Only an active place ships new orders; what it holds stays held.

    `address` is as the contracts write it: country, and whatever else is known, coordinates included.
    """

    place_id: str
    kind: PlaceKind
    name: str | None
    address: Mapping[str, Any]
    active: bool = True
