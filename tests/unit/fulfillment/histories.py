"""One order played against the domain in memory: what happens to it in any order, any number of times."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from services.fulfillment.domain import steps
from services.fulfillment.domain.change import Change, Raised, Said
from services.fulfillment.domain.order import (
    Answer,
    CancelAnswer,
    FulfilmentOrder,
    answer_cancel,
    confirmed,
    creates_parcels,
)
from services.fulfillment.domain.shipment import EXCEPTIONS, Booking, End, Line, Scan, Shipment
from services.fulfillment.domain.tracking import _PRECEDENCE, record_scan, silence

NOON = datetime(2026, 1, 10, 12, tzinfo=UTC)
PLACES = ("a", "b", "c")
LINES = (Line("l0", "sku-0", 2), Line("l1", "sku-1", 1))
STATUSES = tuple(_PRECEDENCE)
MOVING = tuple(status for status in STATUSES if status not in {end.value for end in End} | EXCEPTIONS)


def parcel(place: str = "a", **facts: Any) -> Shipment:
    """A new parcel."""
    return Shipment(f"parcel-{place}", "order", place, LINES, NOON, **facts)


def hours(number: int) -> datetime:
    """A moment of the history."""
    return NOON + timedelta(hours=number)


@dataclass
class History:
    """What the handlers do with one order, without a database: the same calls, in the same order."""

    places: int
    order: FulfilmentOrder | None = None
    parcels: dict[str, Shipment] = field(default_factory=dict)
    scans: set[tuple[str, str]] = field(default_factory=set)
    said: list[tuple[str, Said | Raised]] = field(default_factory=list)
    answers: list[CancelAnswer] = field(default_factory=list)
    at_answer: list[dict[str, Shipment]] = field(default_factory=list)

    def play(self, event: tuple[Any, ...]) -> None:
        """One thing happens."""
        name, *arguments = event
        getattr(self, name)(*arguments)

    def confirm(self) -> None:
        """order.confirmed came."""
        if not creates_parcels(self.order):
            return
        self.order = confirmed("order", "trace", self.places)
        for place in PLACES[: self.places]:
            self.parcels[place] = parcel(place)
            self.said.append((place, Said.CREATED))

    def cancel(self) -> None:
        """order.cancel_requested came."""
        order = self.order or FulfilmentOrder("order", "trace")
        answer = answer_cancel(order, list(self.parcels.values()), "asked", NOON)
        if answer is None:
            return
        self.at_answer.append(dict(self.parcels))
        self.order = answer.order
        self.answers.append(answer)
        for change in answer.changes:
            self.take(change.shipment.place_id, change)

    def pick(self, place: str, found: int | None) -> None:
        """A pick of all units, or of so many of the first line and all of the others."""
        if place in self.parcels:
            counts = None if found is None else {"l0": found, "l1": 1}
            self.take(place, steps.pick(self.parcels[place], counts, NOON))

    def pack(self, place: str) -> None:
        """A pack."""
        if place in self.parcels:
            self.take(place, steps.pack(self.parcels[place], None))

    def book(self, place: str) -> None:
        """A booking, where the handler would ask the carrier for one."""
        known = self.parcels.get(place)
        if known is not None and steps.may_book(known) is None:
            self.take(place, steps.book(known, Booking("local", f"number-{place}", "")))

    def dispatch(self, place: str, hour: int) -> None:
        """A dispatch, booked on the way."""
        self.book(place)
        if place in self.parcels:
            self.take(place, steps.dispatch(self.parcels[place], hours(hour)))

    def end(self, place: str, end: End, hour: int) -> None:
        """A person reports an end."""
        if place in self.parcels:
            self.take(place, steps.report_end(self.parcels[place], end, hours(hour), ""))

    def scan(self, place: str, scan_id: str, status: str, hour: int) -> None:
        """A carrier's scan; it finds a parcel only by the number of its booking."""
        known = self.parcels.get(place)
        if known is None or known.booking is None or (place, scan_id) in self.scans:
            return
        self.scans.add((place, scan_id))
        self.take(place, record_scan(known, Scan(scan_id, status, hours(hour))))

    def silent(self, place: str, hour: int) -> None:
        """The job looks for silent parcels."""
        if place in self.parcels:
            self.take(place, silence(self.parcels[place], hours(hour), 5))

    def resolve(self, place: str, hour: int) -> None:
        """A person looked at what was flagged."""
        if place in self.parcels:
            self.take(place, steps.resolve(self.parcels[place], "looked", hours(hour)))

    def take(self, place: str, decision: Any) -> None:
        """What a handler does with a decision."""
        if isinstance(decision, Change):
            self.parcels[place] = decision.shipment
            self.said += [(place, said) for said in decision.says]

    def answered(self, answer: Answer) -> bool:
        """Whether this was the answer."""
        return any(given.answer is answer for given in self.answers)


_place = st.sampled_from(PLACES)
_hour = st.integers(-5, 60)

EVENTS = st.one_of(
    st.just(("confirm",)),
    st.just(("cancel",)),
    st.tuples(st.just("pick"), _place, st.sampled_from([None, None, 2, 1, 0])),
    st.tuples(st.just("pack"), _place),
    st.tuples(st.just("book"), _place),
    st.tuples(st.just("dispatch"), _place, _hour),
    st.tuples(st.just("end"), _place, st.sampled_from([End.LOST, End.RETURNED_TO_SENDER]), _hour),
    st.tuples(
        st.just("scan"), _place, st.sampled_from(["s1", "s2", "s3", "s4"]), st.sampled_from(STATUSES), _hour
    ),
    st.tuples(st.just("silent"), _place, _hour),
    st.tuples(st.just("resolve"), _place, _hour),
)


@st.composite
def histories(draw: st.DrawFn) -> tuple[int, list[tuple[Any, ...]]]:
    """Places, and events in an order that lets parcels get far, then disturbed: repeats and anything anywhere."""
    places = draw(st.integers(1, 3))
    events: list[tuple[Any, ...]] = [("confirm",)]
    for place in PLACES[:places]:
        way = [("pick", place, None), ("pack", place), ("book", place), ("dispatch", place, 1)]
        events += way[: draw(st.integers(0, 4))]
    for event in draw(st.lists(EVENTS, max_size=15)):
        events.insert(draw(st.integers(0, len(events))), event)
    for event in draw(st.lists(st.sampled_from(events), max_size=8)):
        events.insert(draw(st.integers(0, len(events))), event)
    return places, events
