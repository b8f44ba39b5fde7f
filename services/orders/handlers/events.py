"""What the domain says, as events; and what goes into the timeline about it."""

from collections.abc import Mapping
from typing import Any

from services.orders.domain.facts import Operation
from services.orders.domain.money import split
from services.orders.domain.sayings import (
    Ask,
    Cancel,
    Complete,
    Confirm,
    Cover,
    Issue,
    Place,
    Put,
    Recall,
    Saying,
)
from services.orders.handlers.reading import lines_of, units_of
from services.orders.store import Held
from shared.contracts.envelope import Event
from shared.contracts.orders import (
    OrderCancelled,
    OrderCancelRequested,
    OrderCompleted,
    OrderConfirmed,
    OrderPlaced,
    PaymentCaptureRequested,
    PaymentRefundRequested,
    PaymentRequest,
    PaymentVoidRequested,
    RefundIssued,
)
from shared.db.ids import shipment_id

_REQUESTS: Mapping[Operation, type[PaymentRequest]] = {
    "capture": PaymentCaptureRequested,
    "refund": PaymentRefundRequested,
    "void": PaymentVoidRequested,
}


def event_of(saying: Saying, held: Held) -> Event | None:
    """The event that says it; None for what is said to people only."""
    terms = held.order.terms
    name = {"order_id": terms.order_id, "channel": terms.channel, "external_id": terms.external_id}
    match saying:
        case Place():
            return OrderPlaced.model_validate({**held.body, **name})
        case Confirm():
            return _confirmed(held, name)
        case Recall(by=by, why=why):
            return OrderCancelRequested(order_id=terms.order_id, reason=why, requested_by=by)
        case Cancel(reason=reason, detail=detail):
            return OrderCancelled.model_validate({**name, "reason": reason, "detail": detail[:200]})
        case Complete():
            return OrderCompleted.model_validate(name)
        case Ask(by_hand=by_hand):
            return None if by_hand else _request(saying, terms.order_id, terms.currency)
        case Issue():
            return RefundIssued(
                order_id=terms.order_id,
                request_id=saying.request_id,
                payment_id=saying.payment_id,
                amount=saying.amount,
                currency=terms.currency,
                return_ids=saying.returns,
                shipment_ids=saying.parcels,
            )
        case Cover():
            return RefundIssued(
                order_id=terms.order_id,
                request_id=saying.request_id,
                payment_id=saying.payment_id,
                amount=0,
                currency=terms.currency,
                return_ids=saying.returns,
            )
        case Put():
            return None


def noted(saying: Saying) -> tuple[str, dict[str, Any]]:
    """How the timeline names it, and with which details; amounts in minor units of the order's currency."""
    match saying:
        case Place():
            return OrderPlaced.topic, {}
        case Confirm(reservation_id=reservation_id):
            return OrderConfirmed.topic, {"reservation_id": reservation_id}
        case Recall(by=by, why=why):
            return OrderCancelRequested.topic, {"reason": why, "requested_by": by}
        case Cancel(reason=reason, detail=detail):
            return OrderCancelled.topic, {"reason": reason, "detail": detail}
        case Complete():
            return OrderCompleted.topic, {}
        case Ask(request_id=request_id, payment_id=payment_id, amount=amount):
            asked = {"request_id": request_id, "payment_id": payment_id, "amount": amount}
            topic = _REQUESTS[saying.operation].topic
            return f"{saying.operation} by hand" if saying.by_hand else topic, asked
        case Issue(request_id=request_id, payment_id=payment_id, amount=amount):
            return RefundIssued.topic, {"request_id": request_id, "payment_id": payment_id, "amount": amount}
        case Cover(request_id=request_id, returns=returns):
            return RefundIssued.topic, {"request_id": request_id, "amount": 0, "return_ids": list(returns)}
        case Put(number=number, kind=kind, reason=reason, action=action):
            return "attention", {
                "attention_id": number,
                "kind": kind,
                "reason": reason,
                "next_action": action,
            }


def _confirmed(held: Held, name: Mapping[str, str]) -> OrderConfirmed:
    reservation = held.new_reservation or held.reservation
    allocations = reservation["allocations"]
    parts = split(lines_of(held.body), held.body["shipping"], units_of(allocations))
    return OrderConfirmed.model_validate(
        {
            **held.body,
            **name,
            "places": [
                {
                    **place,
                    "shipment_id": shipment_id(name["order_id"], place["place_id"]),
                    "shipping": parts.shipping[place["place_id"]],
                }
                for place in reservation["places"]
            ],
            "allocations": [
                {**allocation, "value": value}
                for allocation, value in zip(allocations, parts.values, strict=True)
            ],
        }
    )


def _request(ask: Ask, order_id: str, currency: str) -> PaymentRequest:
    common: dict[str, Any] = {
        "order_id": order_id,
        "request_id": ask.request_id,
        "payment_id": ask.payment_id,
        "amount": ask.amount,
        "currency": currency,
    }
    if ask.operation == "refund":
        common |= {"return_ids": ask.returns, "shipment_ids": ask.parcels, "reason": ask.reason[:200]}
    return _REQUESTS[ask.operation](**common)
