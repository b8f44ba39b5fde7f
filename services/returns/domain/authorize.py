"""May these units come back?"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from services.returns.domain.change import Change, Conflict, Decision, Fault, Faulty, Refusal, Said, TooEarly
from services.returns.domain.choose import Hindrance, Request, choose
from services.returns.domain.order import ReturnableOrder
from services.returns.domain.policy import NEWS_SECONDS, Policy
from services.returns.domain.returns import Origin, Return

_DETAILS = {
    Hindrance.NOTHING_LEFT: "Units came back or are awaited already; see what is left at /orders/{order}/returnable.",
    Hindrance.CANCELLED: "The parcel was cancelled before it left: it is not charged, or its price is paid back,"
    " so nothing has to come back.",
    Hindrance.LOST: "The parcel was lost on its way: its price is paid back, so nothing has to come back.",
    Hindrance.WINDOW_OVER: "The time to return is over; goodwill=true takes the goods all the same.",
    Hindrance.NOT_DELIVERED: "The parcel is not delivered yet; ask again later.",
}


def authorize(
    order: ReturnableOrder, request: Request, policy: Policy, *, return_id: str, now: datetime, actor: str
) -> Decision:
    """Opens a return for units that were delivered, are within the window and not claimed by another return.

    Asked again under the same reference, the return there is; a reference with other units is a conflict.
    """
    known = _known_as(order, request.reference)
    if known is not None:
        return _again(order, known, request)
    if order.confirmation is None:
        return TooEarly("not_confirmed_yet", f"Order {order.order_id} is not fully known yet.", NEWS_SECONDS)
    units, hindrances = choose(order, request, policy, now)
    if hindrances:
        return _refusal(order, hindrances, policy)
    opened = Return(
        return_id=return_id,
        order_id=order.order_id,
        origin=Origin.CUSTOMER,
        units=units,
        authorized_at=now,
        authorized_by=actor,
        reference=request.reference,
        expires_at=now + policy.patience,
    )
    return Change(order.with_return(opened), return_id, Said.AUTHORIZED)


def _known_as(order: ReturnableOrder, reference: str | None) -> Return | None:
    if reference is None:
        return None
    return next((each for each in order.returns.values() if each.reference == reference), None)


def _refusal(
    order: ReturnableOrder, hindrances: Sequence[tuple[Hindrance, Fault]], policy: Policy
) -> Refusal:
    worst = max(hindrance for hindrance, _ in hindrances)
    faults = tuple(
        sorted((fault for _, fault in hindrances), key=lambda fault: int(fault.field.split(".")[1]))
    )
    if worst is Hindrance.UNKNOWN:
        return Faulty(faults)
    detail = _DETAILS[worst].format(order=order.order_id)
    if worst is Hindrance.NOT_DELIVERED:
        return TooEarly("not_delivered_yet", detail, policy.ask_again, faults)
    return Conflict(worst.name.lower(), detail, faults)


def _again(order: ReturnableOrder, known: Return, request: Request) -> Decision:
    wanted: Counter[tuple[str, str]] = Counter()
    for each in request.units:
        wanted[each.line_id, each.reason] += each.quantity
    have: Counter[tuple[str, str]] = Counter()
    for units in known.units:
        have[units.line_id, units.reason] += units.quantity
    parcels = {units.shipment_id for units in known.units}
    elsewhere = any(each.shipment_id not in parcels for each in request.units if each.shipment_id is not None)
    if wanted == have and not elsewhere:
        return Change(order, known.return_id)
    fault = Fault(
        "reference", f"is return {known.return_id} with other units", "use a new reference for a new return"
    )
    return Conflict(
        "reference_reused",
        "The same reference is the same return, and this one asks for other units.",
        (fault,),
    )
