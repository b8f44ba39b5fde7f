"""What people and other systems write and read over HTTP and in files."""

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field

from services.inventory.domain.adjustment import Adjustment
from services.inventory.domain.catalogue import Place, Size, Sku
from services.inventory.domain.stock import Kind
from shared.contracts.envelope import Address, Count, FieldError, Id, LineId, ShortText, Text
from shared.contracts.envelope import Size as SaidSize
from shared.contracts.envelope import Sku as SkuId
from shared.contracts.warehouses import Reason
from shared.runtime.http import Body

MOST_ROWS = 1_000
"""Rows of one bulk request."""

T = TypeVar("T")


class SkuDetails(Body):
    """What is known of a SKU; weight and size may be unknown."""

    title: Text | None = None
    weight_g: Annotated[int, Field(ge=0, le=100_000_000)] | None = None
    size: SaidSize | None = None

    def to_sku(self, sku: str) -> Sku:
        """The catalogue's value."""
        size = Size(self.size.length_mm, self.size.width_mm, self.size.height_mm) if self.size else None
        return Sku(sku, self.title, self.weight_g, size)


class SkuEntry(SkuDetails):
    """A SKU in a bulk request or file."""

    sku: SkuId

    def to_domain(self) -> Sku:
        """The catalogue's value."""
        return self.to_sku(self.sku)


class PlaceDetails(Body):
    """What is known of a place. Its address has its coordinates; else its city, region or country tells where it is."""

    kind: Literal["warehouse", "store", "third_party"] = "warehouse"
    name: ShortText | None = None
    address: Address
    active: Annotated[bool, Field(description="an inactive place gets no new orders")] = True

    def to_place(self, place_id: str) -> Place:
        """The catalogue's value."""
        return Place(place_id, self.kind, self.name, self.address.model_dump(exclude_none=True), self.active)


class PlaceEntry(PlaceDetails):
    """A place in a bulk request or file."""

    place_id: Id

    def to_domain(self) -> Place:
        """The catalogue's value."""
        return self.to_place(self.place_id)


class AdjustmentEntry(Body):
    """A change of a quantity; the same adjustment id is the same change.

    `on_hand`: units came or went. `unavailable`: units stay on the shelf and go into (positive) or come out of
    (negative) quarantine.
    """

    adjustment_id: Id
    sku: SkuId
    place_id: Id
    counter: Literal["on_hand", "unavailable"] = "on_hand"
    delta: Annotated[int, Field(ge=-1_000_000_000, le=1_000_000_000)]
    reason: Reason
    note: Text = ""

    def to_domain(self) -> Adjustment:
        """The domain's value."""
        return Adjustment(**self.model_dump())


class Bulk(Body, Generic[T]):
    """Many entries; each is taken or refused by itself, a faulty one does not stop the others."""

    # An entry that does not fit its model stays a plain object, to be answered with what is wrong.
    rows: Annotated[
        list[Annotated[T | dict[str, Any], Field(union_mode="left_to_right")]],
        Field(min_length=1, max_length=MOST_ROWS),
    ]


class Quantities(BaseModel):
    """available = on_hand - reserved - unavailable, never below zero."""

    on_hand: Count
    reserved: Count
    unavailable: Count
    available: Count


class Result(BaseModel):
    """What became of one entry."""

    key: str
    status: Literal["created", "updated", "applied", "known", "refused"]
    level: Quantities | None = None
    errors: list[FieldError] = []


class BulkResult(BaseModel):
    """What became of each entry, in their order."""

    taken: int
    refused: int
    results: list[Result]


class PlaceLevel(Quantities):
    """A SKU's quantities at a place. Only active places ship."""

    place_id: str
    active: bool


class Availability(BaseModel):
    """What of a SKU may be promised: in sum over the active places, and at each place. Unknown SKUs have no places."""

    sku: str
    known: bool
    available: Count
    places: list[PlaceLevel]


class LevelView(Quantities):
    """Quantities of one SKU at one place."""

    sku: str
    place_id: str


class MovementView(BaseModel):
    """One row of the ledger: how many units moved, and by how much that changed each counter."""

    id: int
    at: datetime
    kind: Kind
    sku: str
    place_id: str
    quantity: int
    on_hand: int
    reserved: int
    unavailable: int
    cause_kind: Literal["order", "shipment", "return", "adjustment"]
    cause_id: str
    actor: str
    reason: str
    note: str


class AllocationView(BaseModel):
    """Units of a line at a place, and what became of them."""

    line_id: LineId
    sku: str
    place_id: str
    quantity: int
    fate: Literal["held", "released", "cancelled", "dispatched"]
    not_found: int


class CandidateView(BaseModel):
    """A place that was looked at when the order was sourced."""

    place_id: str
    kilometres: float | None
    units: int


class SourcingView(BaseModel):
    """Why these places: the rule that settled it and the places it was settled between."""

    explanation: str
    rule: str
    destination_known_by: Literal["coordinates", "city", "region", "country"] | None
    candidates: list[CandidateView]


class ReservationView(BaseModel):
    """What is or was held for an order."""

    order_id: str
    reservation_id: str | None
    answer: Literal["none", "reserved", "rejected"]
    cancelled: bool
    allocations: list[AllocationView]
    sourcing: SourcingView | None


class Page(BaseModel, Generic[T]):
    """A page of a list; `next` is the `after` of the following one, null at the end."""

    items: list[T]
    next: str | None
