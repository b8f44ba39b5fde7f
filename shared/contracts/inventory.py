"""What inventory says: quantities."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from shared.contracts.envelope import (
    MAX_ALLOCATIONS,
    MAX_PLACES,
    Address,
    Count,
    Event,
    FieldError,
    Id,
    LineId,
    OrderEvent,
    Quantity,
    Record,
    ShortText,
    Size,
    Sku,
    Text,
)


class Place(Record):
    """A warehouse, store or third party that ships."""

    place_id: Id
    kind: Literal["warehouse", "store", "third_party"] = "warehouse"
    name: ShortText | None = None
    address: Address


class Allocation(Record):
    """Units of one line that one place ships; weight and size of a unit where the catalogue knows them."""

    place_id: Id
    line_id: LineId
    sku: Sku
    quantity: Quantity
    unit_weight_g: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = None
    unit_size: Size | None = None


class StockReserved(OrderEvent):
    """All units of the order are held; each place once, each (line, place) once."""

    topic: ClassVar[str] = "stock.reserved"

    reservation_id: Id
    places: Annotated[tuple[Place, ...], Field(min_length=1, max_length=MAX_PLACES)]
    allocations: Annotated[tuple[Allocation, ...], Field(min_length=1, max_length=MAX_ALLOCATIONS)]


class Shortage(Record):
    """A SKU that cannot be promised: how many were asked for and how many any places could have given.

    `too_many_allocations`: there is stock, but in more than MAX_ALLOCATIONS pieces or MAX_PLACES places.
    """

    sku: Sku
    requested: Annotated[Count, Field(ge=1, description="of all lines of the SKU together")]
    available: Count
    reason: Literal["unknown_sku", "not_enough_stock", "too_many_allocations"]


class StockRejected(OrderEvent):
    """Not all units can be promised, so none are held."""

    topic: ClassVar[str] = "stock.rejected"

    shortages: Annotated[tuple[Shortage, ...], Field(min_length=1, max_length=1_000)]


class StockReleased(OrderEvent):
    """The reservation of a cancelled order was given back; empty when nothing was held."""

    topic: ClassVar[str] = "stock.released"

    reason: Text = ""
    allocations: tuple[Allocation, ...] = ()


class LevelAtPlace(Record):
    """available = on_hand - reserved - unavailable, never below zero."""

    place_id: Id
    on_hand: Count
    reserved: Count
    unavailable: Count
    available: Count


class StockLevelChanged(Event):
    """The SKU's quantities at the places that changed: absolute, so the highest sequence per SKU and place wins."""

    topic: ClassVar[str] = "stock.level_changed"

    sku: Sku
    sequence: Annotated[int, Field(ge=1)]
    places: tuple[LevelAtPlace, ...]

    def key(self) -> str:
        """The SKU."""
        return self.sku


class StockAdjustmentRefused(Event):
    """A submitted adjustment was not applied."""

    topic: ClassVar[str] = "stock.adjustment_refused"

    adjustment_id: Text
    sku: Text
    errors: tuple[FieldError, ...]

    def key(self) -> str:
        """The SKU as it was submitted."""
        return self.sku
