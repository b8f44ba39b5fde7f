"""The largest order that the contracts let in can still be confirmed: order.confirmed fits into a message."""

from uuid import uuid4

from services.orders.domain.facts import Facts
from services.orders.domain.order import Order
from services.orders.domain.sayings import Confirm, Place
from services.orders.domain.terms import Terms
from services.orders.domain.validate import Policy
from services.orders.handlers.checking import faulty_fields
from services.orders.handlers.events import event_of
from services.orders.handlers.submissions import Submission
from services.orders.store import Held
from shared.contracts.channels import OrderSubmitted
from shared.contracts.envelope import MAX_ALLOCATIONS, MAX_BODY_BYTES, MAX_LINES, MAX_PLACES
from shared.contracts.inventory import StockReserved
from shared.db.ids import new_id
from shared.messaging.message import Command

WIDE = "\U0001f4e6"  # four bytes in UTF-8
ADDRESS = {
    "name": WIDE * 200, "street": WIDE * 200, "street2": WIDE * 200, "city": WIDE * 200, "region": WIDE * 200,
    "postal_code": WIDE * 60, "country": "DE", "latitude": -12.345678901234567, "longitude": -123.45678901234567,
}  # fmt: skip
QUANTITY = 1_000_000


def largest() -> OrderSubmitted:
    lines = [
        {
            "line_id": f"{number:040}", "sku": f"{number:064}", "title": WIDE * 60, "quantity": QUANTITY,
            "unit_price": 999, "discount": 0, "tax": 1_000_000, "total": 1_000_000_000,
        }
        for number in range(MAX_LINES)
    ]  # fmt: skip
    payments = [{"payment_id": f"{n:064}", "method": "x" * 40, "authorized": 10**10} for n in range(20)]
    return OrderSubmitted.model_validate(
        {
            "channel": "shop", "external_id": "x" * 64, "address": ADDRESS, "lines": lines, "shipping": 0,
            "total": 10**12, "currency": "EUR", "payments": payments,
            "contact": {"name": WIDE * 200, "email": "x" * 240 + "@example.org", "phone": WIDE * 60, "locale": "pt_BR"},
            "ordered_at": "2026-05-04T12:00:00.123456+02:00",
        }
    )  # fmt: skip


def reservation(order: OrderSubmitted, order_id: str) -> StockReserved:
    places = [f"{number:064}" for number in range(MAX_PLACES)]
    extra = MAX_ALLOCATIONS - MAX_LINES
    size = {"length_mm": 100_000, "width_mm": 100_000, "height_mm": 100_000}
    allocations = []
    for number, line in enumerate(order.lines):
        parts = [QUANTITY - 1, 1] if number < extra else [QUANTITY]
        for index, quantity in enumerate(parts):
            allocations.append(
                {
                    "place_id": places[(number + index) % MAX_PLACES], "line_id": line.line_id, "sku": line.sku,
                    "quantity": quantity, "unit_weight_g": 10**9, "unit_size": size,
                }
            )  # fmt: skip
    whole = [
        {"place_id": place, "kind": "third_party", "name": WIDE * 60, "address": ADDRESS} for place in places
    ]
    return StockReserved.model_validate(
        {"order_id": order_id, "reservation_id": new_id(), "places": whole, "allocations": allocations}
    )


def test_the_largest_accepted_order_can_be_placed_and_confirmed():
    order, order_id = largest(), str(uuid4())
    assert faulty_fields(order, Policy(("shop",), MAX_LINES)) == ()
    body = Submission(order, Command("c", order, "a", ""), "a").body
    reserved = reservation(order, order_id)
    held = Held(Order(Terms(order_id, "shop", "x" * 64, "EUR", order.total, None), Facts()), 0, "", body=body)
    held.new_reservation = reserved.model_dump(mode="json", include={"places", "allocations"})
    for saying in (Place(), Confirm(reserved.reservation_id)):
        event = event_of(saying, held)
        size = len(event.model_dump_json(exclude_none=True).encode())
        assert size <= MAX_BODY_BYTES, f"{event.topic} has {size} bytes"
        print(event.topic, size)
