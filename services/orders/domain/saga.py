"""The saga of an order: rules over facts, looked at top to bottom whenever facts changed.

Start at RULES. What a rule says becomes a fact at once, so nothing is said twice; what people see as the
state is worked out from the facts. The conditions stand in `promise.py` (does it go ahead), `requests.py`
and `balance.py` (money), `attention.py` (what a person must look at).
"""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from services.orders.domain import attention, promise, requests
from services.orders.domain.facts import Flag, Request
from services.orders.domain.order import Order
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
from shared.saga.rules import Rule, apply

RULES: tuple[Rule[Order, Saying], ...] = (
    #     name          when                                                says
    Rule("place",      lambda order: order.facts.said.placed is None,       lambda _: [Place()]),
    Rule("give up",    promise.gives_up,                                    promise.why_given_up),
    Rule("confirm",    promise.confirms,                                    promise.confirmation),
    Rule("recall",     promise.recalls,                                     promise.recall),
    Rule("recalled",   promise.recalled,                                    promise.why_recalled),
    Rule("complete",   promise.completes,                                   lambda _: [Complete()]),
    Rule("capture",    lambda order: order.anything_dispatched,             requests.captures),
    Rule("give",       lambda order: bool(order.facts.gifts),               requests.gives),
    Rule("pay back",   requests.has_payments,                               requests.pays_back),
    Rule("void",       requests.may_void,                                   requests.voids),
    Rule("tell",       requests.has_payments,                               requests.tells),
    Rule("cover",      requests.may_cover,                                  requests.covers),
    Rule("attention",  lambda _: True,                                      attention.puts),
)  # fmt: skip
"""The whole process. Rules about amounts say as many requests as the amounts need, which may be none.
`give` is a person's own decision to pay something back; all others follow from the facts alone."""


class State(StrEnum):
    """Where an order stands, for people."""

    CANCELLED = "cancelled"
    COMPLETED = "completed"
    CANCELLING = "cancelling"
    SHIPPED = "shipped"
    IN_FULFILLMENT = "in_fulfillment"
    AWAITING_SHIPMENT = "awaiting_shipment"
    ON_HOLD = "on_hold"
    AWAITING_PAYMENT = "awaiting_payment"
    AWAITING_STOCK = "awaiting_stock"


def decide(order: Order, now: datetime) -> tuple[Order, tuple[Saying, ...]]:
    """The order with what it says now, and that, in order. Deciding again at once says nothing."""
    return apply(RULES, order, lambda known, saying: _remember(known, saying, now))


def state(order: Order) -> State:
    """The first that fits, in the order of `State`; a pure function of the facts."""
    if order.cancelled:
        return State.CANCELLED
    if order.completed:
        return State.COMPLETED
    if order.cancelling:
        return State.CANCELLING
    if order.anything_dispatched:
        return State.SHIPPED
    if any("created" in parcel.seen for parcel in order.facts.parcels.values()):
        return State.IN_FULFILLMENT
    if order.confirmed:
        return State.AWAITING_SHIPMENT
    if order.on_hold:
        return State.ON_HOLD
    return State.AWAITING_PAYMENT if order.reservation is not None else State.AWAITING_STOCK


def _remember(order: Order, saying: Saying, now: datetime) -> Order:
    """Having said it is a fact."""
    said = order.facts.said
    match saying:
        case Place():
            said = replace(said, placed=now)
        case Cancel(reason=reason):
            said = replace(said, cancelled=now, reason=reason)
        case Confirm(reservation_id=reservation_id):
            said = replace(said, confirmed=now, reservation=reservation_id)
        case Recall():
            said = replace(said, cancel_requested=now)
        case Complete():
            said = replace(said, completed=now)
        case Ask(request_id=request_id):
            said = replace(said, requests={**said.requests, request_id: _request(saying, now)})
        case Issue(request_id=request_id):
            said = replace(said, issued={**said.issued, request_id: now})
        case Cover(returns=returns):
            said = replace(said, covered={**said.covered, **dict.fromkeys(returns, now)})
        case Put(key=key):
            flag = Flag(saying.number, saying.kind, saying.reason, saying.action, now, saying.amount)
            said = replace(said, flagged={**said.flagged, key: flag})
    return Order(order.terms, replace(order.facts, said=said))


def _request(ask: Ask, now: datetime) -> Request:
    return Request(
        ask.operation, ask.payment_id, ask.amount, now, ask.returns, ask.parcels, ask.reason, ask.gift
    )
