"""Which units are meant, and everything that stands in the way of their coming back."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from enum import IntEnum

from services.returns.domain.change import Fault
from services.returns.domain.order import Allocation, ReturnableOrder
from services.returns.domain.policy import Policy
from services.returns.domain.returns import Units
from shared.value_object import value_object


@value_object
class Wanted:
    """Units a customer wants to send back; without a parcel, those delivered first are meant."""

    line_id: str
    quantity: int
    reason: str
    shipment_id: str | None = None


@value_object
class Request:
    """What is asked for. The same `reference` of an order is the same return.

    `goodwill`: somebody decided to take the goods although the window is over.
    """

    units: tuple[Wanted, ...]
    reference: str | None = None
    goodwill: bool = False


class Hindrance(IntEnum):
    """What stands in the way of some units; the highest decides the answer."""

    NOT_DELIVERED = 1
    NOTHING_LEFT = 2
    CANCELLED = 3
    LOST = 4
    WINDOW_OVER = 5
    UNKNOWN = 6


Chosen = tuple[tuple[Units, ...], list[tuple[Hindrance, Fault]]]

_Taken = list[tuple[Allocation, int]]
_Problem = tuple[Hindrance, str, str]


def choose(order: ReturnableOrder, request: Request, policy: Policy, now: datetime) -> Chosen:
    """The units meant, or everything that stands in the way. Who names a parcel chooses before who does not."""
    shelf = _Shelf(order, policy, None if request.goodwill else now)
    taken: dict[int, _Taken] = {}
    hindrances: list[tuple[Hindrance, Fault]] = []
    named_first = sorted(enumerate(request.units), key=lambda item: item[1].shipment_id is None)
    for index, wanted in named_first:
        found = shelf.take(wanted)
        if isinstance(found, list):
            taken[index] = found
        else:
            hindrance, field, problem = found
            hindrances.append((hindrance, Fault(f"units.{index}.{field}", problem)))
    units: Counter[Units] = Counter()
    for index in sorted(taken):
        for allocation, count in taken[index]:
            units[Units(*allocation.spot, allocation.sku, 0, request.units[index].reason)] += count
    return tuple(replace(each, quantity=count) for each, count in units.items()), hindrances


class _Shelf:
    """The order's units that may come back, fewer with every one taken. Without `now` no window counts."""

    def __init__(self, order: ReturnableOrder, policy: Policy, now: datetime | None) -> None:
        self._order_id = order.order_id
        self._delivered = order.delivered
        self._loss_of = order.loss_of
        self._policy = policy
        self._now = now
        self._free = order.free()
        self._lines: dict[str, list[Allocation]] = {}
        for allocation in order.confirmation.allocations if order.confirmation else ():
            self._lines.setdefault(allocation.line_id, []).append(allocation)

    def take(self, wanted: Wanted) -> _Taken | _Problem:
        """Units from the parcels delivered first, or what stands in the way (then nothing is taken)."""
        of_line = self._lines.get(wanted.line_id)
        if of_line is None:
            return Hindrance.UNKNOWN, "line_id", f"{wanted.line_id} is not a line of order {self._order_id}"
        shipped = [each for each in of_line if wanted.shipment_id in (None, each.shipment_id)]
        if not shipped:
            parcels = ", ".join(sorted(each.shipment_id for each in of_line)[:3])
            problem = f"the line did not ship in this parcel; {len(of_line)} have it: {parcels}"
            return Hindrance.UNKNOWN, "shipment_id", problem
        arrived = [each for each in shipped if each.shipment_id in self._delivered]
        arrived.sort(key=lambda each: (self._delivered[each.shipment_id], each.shipment_id))
        in_time = [each for each in arrived if self._is_in_time(each, wanted.reason)]
        if self._count(in_time) < wanted.quantity:
            return self._why_not(wanted.quantity, shipped, arrived, in_time)
        taken: _Taken = []
        missing = wanted.quantity
        for allocation in in_time:
            count = min(missing, self._free[allocation.spot])
            if count:
                taken.append((allocation, count))
                self._free[allocation.spot] -= count
                missing -= count
        return taken

    def _is_in_time(self, allocation: Allocation, reason: str) -> bool:
        delivered_at = self._delivered[allocation.shipment_id]
        return self._now is None or self._now <= self._policy.until(delivered_at, reason)

    def _count(self, allocations: Sequence[Allocation]) -> int:
        return sum(self._free[each.spot] for each in allocations)

    def _why_not(
        self,
        quantity: int,
        shipped: Sequence[Allocation],
        arrived: Sequence[Allocation],
        in_time: Sequence[Allocation],
    ) -> _Problem:
        available = self._count(in_time)
        missing = quantity - available
        too_late = self._count(arrived) - available
        under_way = self._count(shipped) - self._count(arrived)
        if under_way >= missing:
            return Hindrance.NOT_DELIVERED, "quantity", f"{missing} of these units are not delivered yet"
        if too_late:
            problem = f"the time to return is over for {min(too_late, missing)} of these units"
            return Hindrance.WINDOW_OVER, "quantity", problem
        losses = sorted(loss for each in shipped if (loss := self._loss_of(each.shipment_id)) is not None)
        if losses:
            problem = f"{missing} of these units were in a parcel that was {losses[-1]}"
            return Hindrance[losses[-1].upper()], "quantity", problem
        return Hindrance.NOTHING_LEFT, "quantity", f"only {available} of these units may still come back"
