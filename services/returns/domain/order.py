"""What returns knows of one order: facts that may arrive in any order and only ever join."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import field, replace
from datetime import datetime
from typing import Literal

from services.returns.domain.returns import Origin, Return, Spot, State
from shared.value_object import value_object

Loss = Literal["lost", "cancelled"]
"""Why a parcel never reaches its customer and does not come back either; orders does not charge it, or pays it back."""


@value_object
class Allocation:
    """Units of one line shipped in one parcel, and what they are worth together in minor units."""

    shipment_id: str
    place_id: str
    line_id: str
    sku: str
    quantity: int
    value: int

    @property
    def spot(self) -> Spot:
        """Its parcel and line; an order has each pair once."""
        return self.shipment_id, self.line_id


@value_object
class Confirmation:
    """What was confirmed: who knows the order by which name, and what ships in which parcel."""

    channel: str
    external_id: str
    currency: str
    allocations: tuple[Allocation, ...]


@value_object
class ReturnableOrder:
    """The facts of one order and its returns, decided on under one lock.

    `trace` is the order's one trace; `version` rises with every change. `delivered` are
    parcels with the carrier's time, `sent_back` parcels that came back undelivered, `undelivered` parcels that
    never arrive and why, `refunded` returns that a refund named, known here or not.
    """

    order_id: str
    trace: str
    version: int = 0
    confirmation: Confirmation | None = None
    delivered: Mapping[str, datetime] = field(default_factory=dict)
    sent_back: frozenset[str] = frozenset()
    undelivered: Mapping[str, Loss] = field(default_factory=dict)
    refunded: frozenset[str] = frozenset()
    returns: Mapping[str, Return] = field(default_factory=dict)

    def awaited(self) -> Counter[Spot]:
        """Units that customers may still send, per allocation."""
        count: Counter[Spot] = Counter()
        for each in self._of_customers(State.AUTHORIZED):
            for units in each.units:
                count[units.spot] += units.quantity
        return count

    def came_back(self) -> Counter[Spot]:
        """Units that customers sent and that were received, per allocation."""
        count: Counter[Spot] = Counter()
        for each in self._of_customers(State.RECEIVED, State.CLOSED):
            for units in each.receipt.units if each.receipt else ():
                count[units.spot] += units.quantity
        return count

    def free(self) -> Counter[Spot]:
        """Units that no return has claimed, per allocation.

        A parcel returned to its sender has none: it comes back by itself. Nor has one that never arrives. Units that
        were authorised but not in the box when it came are free again.
        """
        count: Counter[Spot] = Counter()
        for allocation in self.confirmation.allocations if self.confirmation else ():
            parcel = allocation.shipment_id
            if parcel not in self.sent_back and self.loss_of(parcel) is None:
                count[allocation.spot] = allocation.quantity
        count.subtract(self.awaited())
        count.subtract(self.came_back())
        return +count

    def loss_of(self, shipment_id: str) -> Loss | None:
        """Why a parcel never arrives; of a parcel that was delivered all the same nothing is lost."""
        return None if shipment_id in self.delivered else self.undelivered.get(shipment_id)

    def with_return(self, changed: Return) -> "ReturnableOrder":
        """The order with a new or changed return, as its next version."""
        joined = replace(changed, refunded=changed.return_id in self.refunded)
        return replace(self, returns={**self.returns, joined.return_id: joined}, version=self.version + 1)

    def _of_customers(self, *states: State) -> list[Return]:
        return [
            each for each in self.returns.values() if each.origin is Origin.CUSTOMER and each.state in states
        ]


_LATER_THAN_ANY = "~"


def confirm(order: ReturnableOrder, confirmation: Confirmation) -> ReturnableOrder:
    """The order was confirmed; the first confirmation stands."""
    if order.confirmation is not None:
        return order
    return replace(order, confirmation=confirmation, version=order.version + 1)


def deliver(order: ReturnableOrder, shipment_id: str, at: datetime) -> ReturnableOrder:
    """A parcel was delivered; of several times the earliest counts, whichever is heard first."""
    known = order.delivered.get(shipment_id)
    if known is not None and known <= at:
        return order
    return replace(order, delivered={**order.delivered, shipment_id: at}, version=order.version + 1)


def lose(order: ReturnableOrder, shipment_ids: Collection[str], loss: Loss) -> ReturnableOrder:
    """Parcels never arrive; of two reasons for one parcel the first by name stands, whichever is heard first."""
    changed = {
        parcel: loss for parcel in shipment_ids if loss < order.undelivered.get(parcel, _LATER_THAN_ANY)
    }
    if not changed:
        return order
    return replace(order, undelivered={**order.undelivered, **changed}, version=order.version + 1)


def refund(order: ReturnableOrder, return_ids: Collection[str]) -> ReturnableOrder:
    """Money went back for these returns, known here or not yet."""
    new = frozenset(return_ids) - order.refunded
    if not new:
        return order
    returns = {
        return_id: replace(each, refunded=True) if return_id in new else each
        for return_id, each in order.returns.items()
    }
    return replace(order, refunded=order.refunded | new, returns=returns, version=order.version + 1)
