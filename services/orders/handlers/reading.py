"""From what others say to facts of an order."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.orders.domain.facts import (
    UNASKED,
    Facts,
    Failure,
    Parcel,
    Payment,
    Reservation,
    Return,
    Share,
)
from services.orders.domain.money import Units, mismatch, split
from services.orders.domain.terms import Line
from services.orders.store import Held
from shared.contracts.envelope import OrderEvent
from shared.contracts.fulfillment import (
    ShipmentCancelled,
    ShipmentCancelRefused,
    ShipmentCreated,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentEvent,
    ShipmentExceptionRaised,
    ShipmentLost,
    ShipmentReturnedToSender,
)
from shared.contracts.inventory import StockRejected, StockReleased, StockReserved
from shared.contracts.payments import (
    PaymentAuthorized,
    PaymentCaptured,
    PaymentFailed,
    PaymentRefunded,
    PaymentVoided,
)
from shared.contracts.returns import ReturnAuthorized, ReturnReceived, ReturnRejected
from shared.db.ids import shipment_id

PaymentEvent = PaymentAuthorized | PaymentCaptured | PaymentFailed | PaymentRefunded | PaymentVoided
PAYMENTS = (PaymentAuthorized, PaymentCaptured, PaymentFailed, PaymentRefunded, PaymentVoided)
STOCK = (StockReserved, StockRejected, StockReleased)
SHIPMENTS = (
    ShipmentCreated, ShipmentDispatched, ShipmentDelivered, ShipmentExceptionRaised, ShipmentLost,
    ShipmentReturnedToSender, ShipmentCancelled, ShipmentCancelRefused,
)  # fmt: skip
RETURNS = (ReturnAuthorized, ReturnReceived, ReturnRejected)


def learnt(event: OrderEvent, held: Held, now: datetime) -> Facts:
    """The facts that an event brings. What contradicts the order becomes a fact too, for a person."""
    match event:
        case StockReserved():
            return _reserved(event, held, now)
        case StockRejected():
            short = ", ".join(shortage.sku for shortage in event.shortages[:3])
            more = " and others" if len(event.shortages) > 3 else ""
            return Facts(
                rejected={event.shortages[0].reason: f"{event.shortages[0].reason}: {short}{more}"[:200]}
            )
        case ShipmentCancelled():
            cancelled = {
                parcel.shipment_id: Parcel(parcel.place_id, {"cancelled": now}, now)
                for parcel in event.parcels
            }
            return Facts(parcels=cancelled, answers={"cancelled": event.reason} if event.requested else {})
        case ShipmentCancelRefused():
            return Facts(answers={"refused": event.reason})
        case ShipmentEvent():
            return Facts(parcels={event.shipment_id: _parcel(event, now)})
        case ReturnAuthorized() | ReturnReceived() | ReturnRejected():
            return _returned(event, held, now)
        case PaymentAuthorized() | PaymentCaptured() | PaymentFailed() | PaymentRefunded() | PaymentVoided():
            return _paid(event, held, now)
    return Facts()  # stock.released: what we asked for was done, nothing follows from it


def lines_of(body: Mapping[str, Any]) -> list[Line]:
    """The lines of an order as captured."""
    return [Line(line["line_id"], line["quantity"], line["total"]) for line in body["lines"]]


def units_of(allocations: Sequence[Mapping[str, Any]]) -> list[Units]:
    """The units of a reservation."""
    return [Units(one["place_id"], one["line_id"], one["quantity"]) for one in allocations]


def _reserved(event: StockReserved, held: Held, now: datetime) -> Facts:
    known = held.order.facts.reservations
    if event.reservation_id in known:
        return Facts()
    if held.order.confirmed:
        text = f"another reservation {event.reservation_id} came after the order was confirmed"
        return Facts(contradictions={f"reservation:{event.reservation_id}": text})
    units = [Units(one.place_id, one.line_id, one.quantity) for one in event.allocations]
    wrong = mismatch(lines_of(held.body), units)
    places = {place.place_id for place in event.places}
    if not wrong and places != {unit.place_id for unit in units}:
        wrong = "its places are not those of its units"
    if wrong:
        text = f"reservation {event.reservation_id} is not what was ordered: {wrong}"
        return Facts(contradictions={f"reservation:{event.reservation_id}": text})
    shares = split(lines_of(held.body), held.body["shipping"], units).shares
    order_id = held.order.terms.order_id
    parcels = {shipment_id(order_id, place): Share(place, amount) for place, amount in shares.items()}
    if not known or event.reservation_id < min(known):
        held.new_reservation = event.model_dump(
            mode="json", exclude_none=True, include={"places", "allocations"}
        )
    contradictions = {"reservations": "stock was reserved twice"} if known else {}
    return Facts(
        reservations={event.reservation_id: Reservation(now, parcels)}, contradictions=contradictions
    )


def _parcel(event: ShipmentEvent, now: datetime) -> Parcel:
    match event:
        case ShipmentDispatched():
            return Parcel(
                event.place_id,
                {"dispatched": event.dispatched_at},
                heard_at=now,
                carrier=event.carrier,
                tracking_number=event.tracking_number,
                tracking_url=event.tracking_url,
            )
        case ShipmentExceptionRaised():
            text = f"{event.reason}: {event.detail}" if event.detail else event.reason
            moment = event.raised_at.isoformat()
            return Parcel(event.place_id, {"exception": event.raised_at}, now, exceptions={moment: text})
        case ShipmentDelivered():
            return Parcel(event.place_id, {"delivered": event.delivered_at}, now)
        case ShipmentLost():
            return Parcel(event.place_id, {"lost": event.lost_at}, now)
        case ShipmentReturnedToSender():
            return Parcel(event.place_id, {"returned_to_sender": event.returned_at}, now)
    return Parcel(event.place_id, {"created": now}, now)


def _returned(event: ReturnAuthorized | ReturnReceived | ReturnRejected, held: Held, now: datetime) -> Facts:
    match event:
        case ReturnAuthorized():
            parcels = frozenset(units.shipment_id for units in event.units)
            return Facts(returns={event.return_id: Return(event.origin, parcels, authorized=now)})
        case ReturnReceived():
            parcels = frozenset(received.shipment_id for received in event.units)
            wrong = _wrong_currency(event.return_id, event.currency, held)
            value = 0 if wrong else event.value
            record = Return("", parcels, received=now, value=value)
            return Facts(returns={event.return_id: record}, contradictions=wrong)
        case ReturnRejected():
            return Facts(returns={event.return_id: Return(rejected=now)})


def _paid(event: PaymentEvent, held: Held, now: datetime) -> Facts:
    wrong = _wrong_currency(event.payment_id, event.currency, held)
    if wrong:
        return Facts(contradictions=wrong)
    request = UNASKED if isinstance(event, PaymentAuthorized) else event.request_id or UNASKED
    contradictions: dict[str, str] = {}
    match event:
        case PaymentAuthorized():
            payment = Payment(authorized=event.amount)
        case PaymentCaptured():
            payment = Payment(captured={request: event.amount})
        case PaymentRefunded():
            payment = Payment(refunded={request: event.amount})
            if request not in held.order.facts.said.requests:
                contradictions = {
                    f"refund:{request}": f"refund {request} of {event.amount} was not asked for"
                }
        case PaymentVoided():
            payment = Payment(voided={request: event.amount})
        case PaymentFailed():
            failure = Failure(event.operation, event.amount, event.final, event.reason, now)
            key = event.request_id or f"{UNASKED}{event.operation}"
            payment = Payment(failed={key: failure})
    return Facts(payments={event.payment_id: payment}, contradictions=contradictions)


def _wrong_currency(what: str, currency: str, held: Held) -> dict[str, str]:
    ordered = held.order.terms.currency
    if currency == ordered:
        return {}
    return {f"currency:{what}": f"{what} is in {currency}, the order is in {ordered}; it is not counted"}
