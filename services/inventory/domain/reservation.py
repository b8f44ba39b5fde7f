"""A reservation: what is held for one order, as facts that come in any order and only ever join.

An order's answer (reserved or rejected) and its cancellation are facts of the whole; each parcel, the units of
one place, has a fate whose rank only rises. The quantities move when a fact is new, never twice.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import field, replace
from enum import IntEnum, StrEnum
from typing import Literal
from uuid import UUID, uuid5

from services.inventory.domain.sourcing import Allotment, Decision
from services.inventory.domain.stock import Book, Cause, Kind, Movement
from shared.value_object import value_object

_RESERVATIONS = UUID("5f0d9a52-6c5e-5b0e-9d43-0a2c7e1b8f61")


class Answer(StrEnum):
    """What was said about the order's stock. First answer stands."""

    NONE = "none"
    RESERVED = "reserved"
    REJECTED = "rejected"


class Fate(IntEnum):
    """What became of the units one place held for the order; a rank that only rises."""

    HELD = 0
    RELEASED = 1
    CANCELLED = 2
    DISPATCHED = 3

    @property
    def label(self) -> Literal["held", "released", "cancelled", "dispatched"]:
        """The fate in a word."""
        return _LABELS[self]


_LABELS: Mapping[Fate, Literal["held", "released", "cancelled", "dispatched"]] = {
    Fate.HELD: "held",
    Fate.RELEASED: "released",
    Fate.CANCELLED: "cancelled",
    Fate.DISPATCHED: "dispatched",
}


@value_object
class Parcel:
    """The units of the order at one place. `not_found`: line -> units that the picker did not find."""

    place_id: str
    fate: Fate = Fate.HELD
    shipment_id: str | None = None
    not_found: Mapping[str, int] = field(default_factory=dict)


@value_object
class Reservation:
    """The facts of one order. `trace` is the order's one trace; `version` rises with everything said of it."""

    order_id: str
    trace: str
    answer: Answer = Answer.NONE
    cancelled: bool = False
    version: int = 0
    reservation_id: str | None = None
    decision: Decision | None = None
    allotments: tuple[Allotment, ...] = ()
    parcels: Mapping[str, Parcel] = field(default_factory=dict)

    @property
    def undecided(self) -> bool:
        """Whether the order still waits for its answer; a cancelled one gets none."""
        return self.answer is Answer.NONE and not self.cancelled

    def at(self, place_id: str) -> tuple[Allotment, ...]:
        """What a place holds, or held, for the order."""
        return tuple(allotment for allotment in self.allotments if allotment.place_id == place_id)

    @property
    def held(self) -> tuple[Allotment, ...]:
        """What is reserved for the order now."""
        return tuple(
            allotment for allotment in self.allotments if self.parcels[allotment.place_id].fate is Fate.HELD
        )


def name_of(order_id: str, decision: Decision) -> str:
    """The id of a reservation, made of what it holds.

    The same decision made again, by a database that was restored and reads again, is then the same reservation and
    not a second one; another decision has another id, and orders puts that before a person.
    """
    held = sorted((part.line_id, part.place_id, part.sku, str(part.quantity)) for part in decision.allotments)
    return str(uuid5(_RESERVATIONS, "\n".join((order_id, *map("\t".join, held)))))


def reserve(reservation: Reservation, reservation_id: str, decision: Decision, book: Book) -> Reservation:
    """Hold what was decided. What was heard of a parcel before its order takes effect now."""
    cause = Cause("order", reservation.order_id, "order.placed")
    for (sku, place_id), quantity in _sums(decision.allotments).items():
        book.move(Movement(Kind.RESERVED, sku, place_id, quantity, cause, reserved=quantity))
    waiting = reservation.parcels
    parcels = dict(waiting) | {place_id: Parcel(place_id) for place_id in decision.places}
    reserved = replace(
        reservation,
        answer=Answer.RESERVED,
        version=reservation.version + 1,
        reservation_id=reservation_id,
        decision=decision,
        allotments=decision.allotments,
        parcels=parcels,
    )
    for parcel in waiting.values():
        reserved = settle(reserved, parcel, book)
    return reserved


def reject(reservation: Reservation) -> Reservation:
    """Nothing is held, and that was said."""
    return replace(reservation, answer=Answer.REJECTED, version=reservation.version + 1)


def cancel(reservation: Reservation, book: Book, reason: str) -> Reservation | None:
    """Give back what is still held, or remember the cancellation for an order yet to come; None if it is known."""
    if reservation.cancelled:
        return None
    cause = Cause("order", reservation.order_id, "order.cancelled", reason)
    for (sku, place_id), quantity in _sums(reservation.held).items():
        book.move(Movement(Kind.RELEASED, sku, place_id, quantity, cause, reserved=-quantity))
    parcels = {
        place_id: replace(parcel, fate=Fate.RELEASED) if parcel.fate is Fate.HELD else parcel
        for place_id, parcel in reservation.parcels.items()
    }
    return replace(reservation, cancelled=True, version=reservation.version + 1, parcels=parcels)


def settle(reservation: Reservation, news: Parcel, book: Book) -> Reservation:
    """Join what became of a parcel. The same or a lower-ranked fate changes nothing.

    Dispatched: reserved units are gone. Cancelled: units not found are unavailable until counted, the rest is
    free. If the units had been given back already, by a cancellation that was heard first, only what is
    still free can be taken: the rest was promised to others, and their picker will miss it.
    """
    known = reservation.parcels.get(news.place_id, Parcel(news.place_id))
    if news.fate <= known.fate:
        return reservation
    cause = Cause("shipment", news.shipment_id or "", f"shipment.{news.fate.label}")
    units = _sums(reservation.at(news.place_id))
    missing = _missing(reservation.at(news.place_id), news.not_found)
    for (sku, place_id), quantity in units.items():
        if known.fate is Fate.HELD:
            book.move_all(_from_held(news.fate, sku, place_id, quantity, missing[sku], cause))
        else:
            book.move_all(_from_free(news.fate, sku, place_id, quantity, missing[sku], cause, book))
    return replace(reservation, parcels={**reservation.parcels, news.place_id: news})


def _from_held(
    fate: Fate, sku: str, place_id: str, quantity: int, missing: int, cause: Cause
) -> list[Movement]:
    if fate is Fate.DISPATCHED:
        gone = Movement(
            Kind.DISPATCHED, sku, place_id, quantity, cause, on_hand=-quantity, reserved=-quantity
        )
        return [gone]
    freed = Movement(Kind.RELEASED, sku, place_id, quantity, cause, reserved=-quantity)
    if not missing:
        return [freed]
    return [freed, Movement(Kind.NOT_FOUND, sku, place_id, missing, cause, unavailable=missing)]


def _from_free(
    fate: Fate, sku: str, place_id: str, quantity: int, missing: int, cause: Cause, book: Book
) -> list[Movement]:
    asked = quantity if fate is Fate.DISPATCHED else missing
    taken = min(asked, book.at(sku, place_id).available)
    if not asked:
        return []
    if taken < asked:
        cause = replace(cause, note=f"{asked - taken} of {asked} had been promised to others")
    if fate is Fate.DISPATCHED:
        return [Movement(Kind.DISPATCHED, sku, place_id, asked, cause, on_hand=-taken)]
    return [Movement(Kind.NOT_FOUND, sku, place_id, asked, cause, unavailable=taken)]


def _sums(allotments: tuple[Allotment, ...]) -> Counter[tuple[str, str]]:
    sums = Counter[tuple[str, str]]()
    for allotment in allotments:
        sums[allotment.sku, allotment.place_id] += allotment.quantity
    return sums


def _missing(allotments: tuple[Allotment, ...], not_found: Mapping[str, int]) -> Counter[str]:
    """Units not found by SKU, never more than the parcel had of a line."""
    missing = Counter[str]()
    for allotment in allotments:
        missing[allotment.sku] += min(allotment.quantity, not_found.get(allotment.line_id, 0))
    return missing
