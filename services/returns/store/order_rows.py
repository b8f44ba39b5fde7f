"""Orders as rows and back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.returns.domain.order import Allocation, Confirmation, ReturnableOrder
from services.returns.domain.returns import Return


def facts(order: ReturnableOrder) -> dict[str, Any]:
    """What changes about an order after its confirmation, with its key."""
    return {
        "order_id": order.order_id,
        "version": order.version,
        "delivered": {parcel: at.isoformat() for parcel, at in order.delivered.items()},
        "sent_back": sorted(order.sent_back),
        "refunded": sorted(order.refunded),
        "undelivered": dict(order.undelivered),
    }


def confirmation(order: ReturnableOrder) -> dict[str, Any]:
    """What was confirmed; all empty before. Often large, so it is written once."""
    confirmed = order.confirmation
    if confirmed is None:
        return dict.fromkeys(("channel", "external_id", "currency", "allocations"))
    return {
        "channel": confirmed.channel,
        "external_id": confirmed.external_id,
        "currency": confirmed.currency,
        "allocations": [
            {
                "shipment_id": each.shipment_id,
                "place_id": each.place_id,
                "line_id": each.line_id,
                "sku": each.sku,
                "quantity": each.quantity,
                "value": each.value,
            }
            for each in confirmed.allocations
        ],
    }


def from_row(row: Mapping[str, Any], returns: Mapping[str, Return]) -> ReturnableOrder:
    """The order with its returns."""
    confirmed = None
    if row["allocations"] is not None:
        allocations = tuple(Allocation(**each) for each in row["allocations"])
        confirmed = Confirmation(row["channel"], row["external_id"], row["currency"], allocations)
    return ReturnableOrder(
        order_id=row["order_id"],
        trace=row["traceparent"],
        version=row["version"],
        confirmation=confirmed,
        delivered={parcel: datetime.fromisoformat(at) for parcel, at in row["delivered"].items()},
        sent_back=frozenset(row["sent_back"]),
        undelivered=row["undelivered"],
        refunded=frozenset(row["refunded"]),
        returns=returns,
    )
