"""Orders of which something may come back, in one line each."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, settings

from services.returns.domain.authorize import authorize
from services.returns.domain.change import Change, Decision
from services.returns.domain.choose import Request, Wanted
from services.returns.domain.order import Allocation, Confirmation, ReturnableOrder, confirm, deliver
from services.returns.domain.policy import Policy
from services.returns.domain.receive import Box, Found, receive

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For properties: they are about values, and a busy machine must not make them fail."""

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
POLICY = Policy(timedelta(days=30), timedelta(days=730), timedelta(days=20), ask_again=3600)


def allocation(parcel: str, line: str, quantity: int, value: int) -> Allocation:
    return Allocation(parcel, f"place-of-{parcel}", line, f"sku-{line}", quantity, value)


def confirmed(*allocations: Allocation) -> ReturnableOrder:
    return confirm(ReturnableOrder("o1", "trace"), Confirmation("web", "W-1", "EUR", allocations))


def delivered(*allocations: Allocation, at: datetime = NOW - timedelta(days=1)) -> ReturnableOrder:
    order = confirmed(*allocations)
    for parcel in sorted({each.shipment_id for each in allocations}):
        order = deliver(order, parcel, at)
    return order


def ask(
    order: ReturnableOrder,
    *units: Wanted,
    now: datetime = NOW,
    return_id: str = "r1",
    reference: str | None = None,
    goodwill: bool = False,
) -> Decision:
    request = Request(units, reference, goodwill)
    return authorize(order, request, POLICY, return_id=return_id, now=now, actor="desk")


def asked(
    order: ReturnableOrder, *units: Wanted, return_id: str = "r1", now: datetime = NOW
) -> ReturnableOrder:
    return done(ask(order, *units, return_id=return_id, now=now)).order


def back(
    order: ReturnableOrder, return_id: str, units: Sequence[Found], place: str | None = None
) -> Decision:
    return receive(order, Box(return_id, tuple(units), place), now=NOW, actor="warehouse")


def found(line: str, quantity: int, parcel: str | None = None, disposition: str = "restock") -> Found:
    return Found(line, quantity, "opened", disposition, parcel)


def done(decision: Decision) -> Change:
    assert isinstance(decision, Change), decision
    return decision
