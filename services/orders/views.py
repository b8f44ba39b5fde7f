"""From an order's row, facts and timeline to what queries answer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.orders.answers import (
    Attention,
    Content,
    Happening,
    HoldView,
    Operation,
    PaymentView,
    ReturnView,
    Said,
    Shipment,
    Summary,
    Waiting,
    Whole,
)
from services.orders.domain.attention import Item, items
from services.orders.domain.deadlines import Windows, until, waits
from services.orders.domain.facts import Request, Word, settled
from services.orders.domain.order import Order
from services.orders.domain.parcels import dispatched, end_of


def summary(row: Mapping[str, Any], order: Order) -> Summary:
    """An order in a list, with what needs a person now."""
    open_items = [item for item in items(order) if item.state == "open"] if row["needs_attention"] else []
    return Summary(**_head(row), attention=[_attention(item) for item in open_items])


def whole(row: Mapping[str, Any], order: Order, timeline: list[dict[str, Any]], windows: Windows) -> Whole:
    """One order with everything."""
    facts, body, money = order.facts, row["body"], order.balance
    requests = [_operation(key, request, order) for key, request in facts.said.requests.items()]
    return Whole(
        **_head(row),
        attention=[_attention(item) for item in items(order)],
        contact=body.get("contact", {}),
        address=body["address"],
        lines=body["lines"],
        shipping=body["shipping"],
        prices_include_tax=body["prices_include_tax"],
        ordered_at=body.get("ordered_at"),
        funds=money.funds,
        due=max(0, money.due),
        owed=max(0, money.owed),
        payments=[_payment(order, key) for key in sorted(facts.payments)],
        requests=requests,
        refunds_made=[request for request in requests if request.operation == "refund"],
        shipments=_shipments(order, (row["reservation"] or {}).get("allocations", [])),
        returns=_returns(order),
        holds=[
            HoldView(hold_id=key, placed=_said(hold.placed), released=_said(hold.released))
            for key, hold in facts.holds.items()
        ],
        cancel_wanted=_said(order.cancel_wanted),
        cancel_reason=facts.said.reason,
        waiting_for=[
            Waiting(
                kind=wait.kind,
                subject=wait.subject,
                since=wait.since,
                until=until(wait, windows),
                overdue=wait.key in facts.passed,
            )
            for wait in waits(order)
        ],
        timeline=[happening for entry in timeline for happening in _happenings(entry)],
    )


def _head(row: Mapping[str, Any]) -> dict[str, Any]:
    names = set(Summary.model_fields) - {"order_id", "attention"}
    return {"order_id": row["id"], **{name: row[name] for name in names}}


def _said(word: Word | None) -> Said | None:
    return Said(by=word.by, why=word.why, at=word.at) if word is not None else None


def _attention(item: Item) -> Attention:
    flag = item.flag
    return Attention(
        attention_id=flag.number,
        kind=flag.kind,
        reason=item.reason,
        next_action=flag.action,
        amount=item.amount,
        since=flag.at,
        state=item.state,
        resolved=_said(item.resolution),
    )


def _operation(key: str, request: Request, order: Order) -> Operation:
    return Operation(
        request_id=key,
        operation=request.operation,
        payment_id=request.payment_id,
        amount=request.amount,
        asked_at=request.at,
        state=_progress(key, request, order),
        return_ids=list(request.returns),
        shipment_ids=list(request.parcels),
        reason=request.reason,
        failure=order.facts.payments[request.payment_id].failure(key),
    )


def _progress(key: str, request: Request, order: Order) -> str:
    payment = order.facts.payments[request.payment_id]
    if key in payment.captured or key in payment.refunded or key in payment.voided:
        return "done"
    matters = (f"{request.operation}_failed:{key}", f"{request.operation}_by_hand:{key}")
    by_people = any(settled(order.facts, matter) for matter in matters)
    if by_people and key not in order.balance.accounts[request.payment_id].failed:
        return "settled"
    return "open" if payment.failure(key) is None else "failed"


def _payment(order: Order, key: str) -> PaymentView:
    payment, account = order.facts.payments[key], order.balance.accounts[key]
    return PaymentView(
        payment_id=key,
        method=payment.method,
        authorized=account.authorized,
        captured=account.captured,
        refunds=account.refunds,
        voided=bool(payment.voided),
        by_hand=payment.by_hand,
        funds=account.funds,
    )


def _shipments(order: Order, allocations: list[dict[str, Any]]) -> list[Shipment]:
    shown = []
    for key, share, parcel in order.parcels:
        heard = "created" if parcel.seen else "expected"
        shown.append(
            Shipment(
                shipment_id=key,
                place_id=share.place_id,
                contents=[Content(**units) for units in allocations if units["place_id"] == share.place_id],
                share=share.amount,
                state=end_of(parcel) or ("dispatched" if dispatched(parcel) else heard),
                carrier=parcel.carrier,
                tracking_number=parcel.tracking_number,
                tracking_url=parcel.tracking_url,
                seen=dict(parcel.seen),
                exceptions=dict(parcel.exceptions),
            )
        )
    return shown


def _returns(order: Order) -> list[ReturnView]:
    shown = []
    for key, record in order.facts.returns.items():
        state = "received" if record.received else "rejected" if record.rejected else "authorized"
        shown.append(ReturnView(return_id=key, state=state, value=record.value, origin=record.origin))
    return shown


def _happenings(entry: Mapping[str, Any]) -> list[Happening]:
    heard = Happening(
        sequence=entry["sequence"],
        at=entry["at"],
        kind=entry["kind"],
        actor=entry["actor"],
        said=False,
        detail=entry["detail"],
        message_id=entry["message_id"],
    )
    return [heard, *(_happening(said, entry["at"]) for said in entry["said"])]


def _happening(said: Mapping[str, Any], at: datetime) -> Happening:
    return Happening(sequence=said["sequence"], at=at, kind=said["kind"], said=True, detail=said["detail"])
