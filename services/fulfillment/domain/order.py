"""A fulfilment order: what we know of one order, and the one answer it gets to a cancellation."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from services.fulfillment.domain.change import Change, Note
from services.fulfillment.domain.shipment import End, Shipment, Stage
from shared.value_object import value_object


class Answer(StrEnum):
    """What was said to a cancel request."""

    CANCELLED = "cancelled"
    REFUSED = "refused"


@value_object
class FulfilmentOrder:
    """The facts of one order. `trace` is the order's one trace; `version` rises with everything said of it."""

    order_id: str
    trace: str
    confirmed: bool = False
    cancel_reason: str | None = None
    answer: Answer | None = None
    version: int = 0

    def next_version(self) -> "FulfilmentOrder":
        """The same facts, one more thing said."""
        return replace(self, version=self.version + 1)


def confirmed(order_id: str, trace: str, parcels: int) -> FulfilmentOrder:
    """The facts of an order first heard of by its confirmation; each of its parcels is said to be created."""
    return FulfilmentOrder(order_id, trace, confirmed=True, version=parcels)


def creates_parcels(before: FulfilmentOrder | None) -> bool:
    """Whether a confirmation creates parcels: only if nothing is known of the order.

    What is known is either that it was confirmed before, or that its cancellation was answered before it
    was heard of: then that answer promised that nothing of it ships.
    """
    return before is None


@value_object
class CancelAnswer:
    """The one answer. `changes` are the parcels it ends, `parcels` all of the order's, when it says cancelled."""

    order: FulfilmentOrder
    answer: Answer
    reason: str
    parcels: tuple[Shipment, ...] = ()
    changes: tuple[Change, ...] = ()


def answer_cancel(
    order: FulfilmentOrder, shipments: Sequence[Shipment], reason: str, now: datetime
) -> CancelAnswer | None:
    """Answers a cancel request, all or nothing; None if it was answered before.

    Refused if any parcel was picked or got further. A parcel cancelled by a short pick stands in nobody's
    way: if all were, the answer is cancelled too, with the same units not found that were told before. An
    order not seen yet is cancelled at once, and the answer is the tombstone for it.
    """
    if order.answer is not None:
        return None
    hindrance = next((parcel for parcel in shipments if _was_picked(parcel)), None)
    if hindrance is not None:
        refusal = f"parcel {hindrance.shipment_id} is already {hindrance.state}"
        refused = replace(order, cancel_reason=reason, answer=Answer.REFUSED)
        return CancelAnswer(refused, Answer.REFUSED, refusal)
    changes = tuple(_cancel(parcel, reason, now) for parcel in shipments if parcel.end is None)
    cancelled = {change.shipment.shipment_id: change.shipment for change in changes}
    parcels = tuple(cancelled.get(parcel.shipment_id, parcel) for parcel in shipments)
    told = replace(order, cancel_reason=reason, answer=Answer.CANCELLED)
    return CancelAnswer(told, Answer.CANCELLED, reason, parcels, changes)


def _was_picked(parcel: Shipment) -> bool:
    return parcel.stage >= Stage.PICKED or parcel.end not in (None, End.CANCELLED)


def _cancel(parcel: Shipment, reason: str, now: datetime) -> Change:
    ended = replace(parcel, end=End.CANCELLED, ended_at=now, end_reason=f"asked for: {reason}"[:200])
    return Change(ended, notes=(Note("cancelled", reason),))
