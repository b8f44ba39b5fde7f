"""A parcel that came back undelivered opens its return by itself."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid5

from services.returns.domain.change import Change, Said
from services.returns.domain.order import ReturnableOrder
from services.returns.domain.returns import Origin, Return, Units

_PARCELS = UUID("0d6a1d0e-6f3c-5a7b-8f61-6d5f3a3b7c55")


def send_back(
    order: ReturnableOrder, shipment_id: str, contents: Sequence[tuple[str, str, int]], now: datetime
) -> Change | None:
    """Opens the return of a parcel that came back; None if that was done.

    `contents` are line id, SKU and quantity. The return is worth nothing, because orders pays back the parcel.
    Its id follows from the order's and the parcel's: a parcel can never have two, nor take that of another order's.
    """
    if shipment_id in order.sent_back:
        return None
    origin = Origin.RETURNED_TO_SENDER
    opened = Return(
        return_id=str(uuid5(_PARCELS, f"{order.order_id} {shipment_id}")),
        order_id=order.order_id,
        origin=origin,
        units=tuple(
            Units(shipment_id, line_id, sku, count, origin.value) for line_id, sku, count in contents
        ),
        authorized_at=now,
        authorized_by="carrier",
    )
    known = replace(order, sent_back=order.sent_back | {shipment_id})
    return Change(known.with_return(opened), opened.return_id, Said.AUTHORIZED)
