"""The largest order that is accepted can be said: every message about it fits into a message."""

from datetime import UTC, datetime
from itertools import cycle, islice
from typing import Any

import pytest

from shared.contracts.channels import OrderBody, OrderLine, PaymentMade
from shared.contracts.envelope import (
    MAX_ALLOCATIONS,
    MAX_BODY_BYTES,
    MAX_LINES,
    MAX_PLACES,
    Address,
    Contact,
    Event,
    Size,
)
from shared.contracts.fulfillment import ShipmentDispatched, ShipmentLine
from shared.contracts.inventory import Allocation, Place, Shortage, StockRejected, StockReserved
from shared.contracts.orders import ConfirmedAllocation, ConfirmedPlace, OrderConfirmed
from shared.messaging.outbox import Outbox

WIDE = "\U0001f4e6"  # four bytes in UTF-8, the most a character takes
QUOTE = '"'  # two bytes in JSON, the most an ASCII character takes
TEXT, SHORT = WIDE * 200, WIDE * 60
ID, LINE_ID, SKU, CODE = "i" * 64, "l" * 40, QUOTE * 32, "x" * 40
MOST = 10**12
MANY = 10**6
MOMENT = datetime(2026, 12, 31, 23, 59, 59, 999_999, UTC)

ADDRESS = Address(
    name=TEXT, street=TEXT, street2=TEXT, city=TEXT, region=TEXT, postal_code=SHORT, country="BR",
    latitude=-89.12345678901234, longitude=-179.1234567890123,
)  # fmt: skip
PLACE = Place(place_id=ID, kind="third_party", name=SHORT, address=ADDRESS)
SIZE = Size(length_mm=100_000, width_mm=100_000, height_mm=100_000)
ALLOCATION = Allocation(
    place_id=ID, line_id=LINE_ID, sku=SKU, quantity=MANY, unit_weight_g=1_000_000_000, unit_size=SIZE
)


def largest_body() -> dict[str, Any]:
    line = OrderLine(
        line_id=LINE_ID,
        sku=SKU,
        title=SHORT,
        quantity=MANY,
        unit_price=MOST,
        discount=MOST,
        tax=MOST,
        total=MOST,
    )
    payment = PaymentMade(payment_id=ID, method=CODE, authorized=MOST, captured=MOST)
    local_part = WIDE * 240
    contact = Contact(name=TEXT, email=f"{local_part}@{WIDE * 13}", phone=SHORT, locale="deu_DE")
    return {
        "contact": contact, "address": ADDRESS, "lines": (line,) * MAX_LINES, "shipping": MOST, "total": MOST,
        "currency": "EUR", "prices_include_tax": False, "payments": (payment,) * 20, "ordered_at": MOMENT,
    }  # fmt: skip


def largest_confirmed() -> OrderConfirmed:
    ids = [f"{number:02d}{ID[2:]}" for number in range(MAX_PLACES)]
    places = [
        ConfirmedPlace(**PLACE.model_dump() | {"place_id": each}, shipment_id=each, shipping=MOST)
        for each in ids
    ]
    allocations = [
        ConfirmedAllocation(**ALLOCATION.model_dump() | {"place_id": ids[number % MAX_PLACES]}, value=MOST)
        for number in range(MAX_ALLOCATIONS)
    ]
    return OrderConfirmed(
        order_id=ID, channel=CODE, external_id=QUOTE * 64, **largest_body(),
        places=tuple(places), allocations=tuple(allocations),
    )  # fmt: skip


def said(event: Event) -> int:
    """The size of the event as the outbox would store it; raises Unsendable as the outbox does."""
    outbox = Outbox("/tests", 1, "")
    outbox.add(event, trace="00-0-0-00", sequence=1, now=MOMENT)
    return len(outbox._rows[0]["body"])  # type: ignore[arg-type]


def test_the_largest_confirmed_order_fits() -> None:
    size = said(largest_confirmed())
    assert size <= MAX_BODY_BYTES
    # A little is left for optional fields to come; the bounds are not much stricter than they must be.
    assert size > MAX_BODY_BYTES * 0.9


def test_the_largest_order_can_have_each_line_in_some_place_and_a_tenth_in_two() -> None:
    assert MAX_ALLOCATIONS >= MAX_LINES * 1.1


@pytest.mark.parametrize(
    "event",
    [
        StockReserved(
            order_id=ID, reservation_id=ID, places=(PLACE,) * MAX_PLACES, allocations=(ALLOCATION,) * MAX_ALLOCATIONS
        ),
        StockRejected(
            order_id=ID,
            shortages=(Shortage(sku=SKU, requested=MANY, available=MOST, reason="too_many_allocations"),) * MAX_LINES,
        ),
        ShipmentDispatched(
            order_id=ID, shipment_id=ID, place_id=ID, carrier=CODE, tracking_number=ID, tracking_url=WIDE * 500,
            lines=(ShipmentLine(line_id=LINE_ID, sku=SKU, quantity=MANY),) * MAX_ALLOCATIONS, dispatched_at=MOMENT,
        ),
    ],
    ids=lambda event: event.topic,
)  # fmt: skip
def test_what_others_say_about_it_fits(event: Event) -> None:
    assert said(event) <= MAX_BODY_BYTES


def test_one_line_allocation_or_place_more_is_refused() -> None:
    body = largest_body()
    with pytest.raises(ValueError, match="lines"):
        OrderBody(**body | {"lines": (*body["lines"], body["lines"][0])})
    for field, most, value in (("allocations", MAX_ALLOCATIONS, ALLOCATION), ("places", MAX_PLACES, PLACE)):
        one = {"order_id": ID, "reservation_id": ID, "places": (PLACE,), "allocations": (ALLOCATION,)}
        with pytest.raises(ValueError, match=field):
            StockReserved(**one | {field: tuple(islice(cycle([value]), most + 1))})


def test_the_worst_characters_are_really_the_worst() -> None:
    sizes = {
        text: len(Contact(name=text).model_dump_json(exclude_none=True).encode())
        for text in ("a", "é", "\u2028", WIDE, QUOTE, "\\", "/", "<", "\x80")
    }
    assert max(sizes, key=lambda text: sizes[text]) == WIDE


def test_names_have_no_characters_that_grow_in_json_or_count_them_twice() -> None:
    for text in (QUOTE, "\\"):
        with pytest.raises(ValueError, match="place_id"):
            Place(place_id=text, address=ADDRESS)
        with pytest.raises(ValueError, match="line_id"):
            ShipmentLine(line_id=text, sku="x", quantity=1)
        assert ShipmentLine(line_id="1", sku=text * 32, quantity=1)
        with pytest.raises(ValueError, match="sku"):
            ShipmentLine(line_id="1", sku=text * 33, quantity=1)
    assert ShipmentLine(line_id="1", sku='PIPE 1/2"', quantity=1).sku == 'PIPE 1/2"'
