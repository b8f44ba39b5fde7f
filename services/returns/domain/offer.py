"""What may still come back of an order, until when, and why not."""

from datetime import datetime

from services.returns.domain.order import ReturnableOrder
from services.returns.domain.policy import Policy
from shared.value_object import value_object


@value_object
class Offer:
    """One allocation as its customer sees it; `why_not` is empty while units may come back without further ado."""

    shipment_id: str
    line_id: str
    sku: str
    shipped: int
    authorized: int
    returned: int
    returnable: int
    why_not: str
    delivered_at: datetime | None
    until: datetime | None
    warranty_until: datetime | None


def offers(order: ReturnableOrder, policy: Policy, now: datetime) -> tuple[Offer, ...]:
    """One offer per allocation, in the order in which they were confirmed; none for an order not confirmed yet."""
    free, awaited, came_back = order.free(), order.awaited(), order.came_back()
    found = []
    for allocation in order.confirmation.allocations if order.confirmation else ():
        spot = allocation.spot
        delivered_at = order.delivered.get(allocation.shipment_id)
        until = policy.until(delivered_at, "not_wanted") if delivered_at else None
        why_not = _why_not(order, allocation.shipment_id, free[spot], until, now)
        found.append(
            Offer(
                shipment_id=allocation.shipment_id,
                line_id=allocation.line_id,
                sku=allocation.sku,
                shipped=allocation.quantity,
                authorized=awaited[spot],
                returned=came_back[spot],
                returnable=0 if why_not else free[spot],
                why_not=why_not,
                delivered_at=delivered_at,
                until=until,
                warranty_until=policy.until(delivered_at, "warranty") if delivered_at else None,
            )
        )
    return tuple(found)


def _why_not(
    order: ReturnableOrder, shipment_id: str, free: int, until: datetime | None, now: datetime
) -> str:
    if shipment_id in order.sent_back:
        return "returned_to_sender"
    loss = order.loss_of(shipment_id)
    if loss is not None:
        return loss
    if until is None:
        return "not_delivered"
    if free <= 0:
        return "nothing_left"
    return "window_over" if now > until else ""
