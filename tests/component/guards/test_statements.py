"""A batch costs every handler the same few statements and one commit, whatever its size.

This is what throughput rests on, in a form that no busy machine can blur.
"""

from typing import Any

import pytest

from shared.runtime.service import Service
from tests.component.guards import life
from tests.component.guards.chain import Chain

pytestmark = [pytest.mark.platform, pytest.mark.slow, pytest.mark.timeout(300)]

SIZES = (1, 50, 500)

BOUNDS = {
    "fulfillment.dispatch": 10,
    "fulfillment.order_cancel_requested": 9,
    "fulfillment.order_confirmed": 5,
    "fulfillment.pack": 6,
    "fulfillment.pick": 6,
    "fulfillment.tracking_submitted": 11,
    "inventory.adjustment_submitted": 11,
    "inventory.order_cancelled": 14,
    "inventory.order_placed": 13,
    "inventory.put_places": 7,
    "inventory.put_skus": 4,
    "inventory.return_received": 9,
    "inventory.shipment_cancelled": 13,
    "inventory.shipment_dispatched": 13,
    "notifications.order_cancelled": 4,
    "notifications.order_confirmed": 4,
    "notifications.order_placed": 6,
    "notifications.refund_issued": 4,
    "notifications.return_authorized": 4,
    "notifications.shipment_delivered": 4,
    "notifications.shipment_dispatched": 4,
    "orders.order_cancel_submitted": 8,
    "orders.order_facts": 7,
    "orders.order_submitted": 5,
    "returns.authorize_return": 6,
    "returns.order_confirmed": 4,
    "returns.receive_return": 7,
    "returns.refund_issued": 6,
    "returns.shipment_cancelled": 5,
    "returns.shipment_delivered": 5,
    "returns.shipment_lost": 5,
    "returns.shipment_returned_to_sender": 7,
}
"""Statements of one batch by handler, those of every transaction included: its time, the inbox or the answers known
under idempotency keys, the outbox. They may fall. Raise one only with a figure of the benchmark that says it pays."""


@pytest.fixture(scope="module")
async def chain(services: dict[str, Service[Any, Any]]) -> Chain:
    """Every handler of every service, called with batches of each size."""
    chain = Chain(services, life.bank)
    for size in SIZES:
        await life.everything(chain, size)
    return chain


def test_every_handler_is_looked_at(chain: Chain) -> None:
    """A new handler needs a bound; one that the life of an order never calls needs a part in it."""
    routes = {f"{name}.{route.name}" for name, service in chain.services.items() for route in service.routes}
    assert routes <= set(chain.costs), f"never called: {sorted(routes - set(chain.costs))}"
    assert set(chain.costs) == set(BOUNDS), "every handler called here needs a bound, and only those"


async def test_nothing_is_parked(chain: Chain) -> None:
    """Else what was counted was not the work."""
    assert await chain.parked() == []


@pytest.mark.parametrize("handler", sorted(BOUNDS))
def test_statements_stay_within_the_bound_for_every_batch_size(chain: Chain, handler: str) -> None:
    """Not one more for five hundred messages than for one."""
    for size, cost in chain.costs[handler]:
        assert cost.statements <= BOUNDS[handler], f"{cost.statements} statements for {size}"


@pytest.mark.parametrize("handler", sorted(BOUNDS))
def test_a_batch_is_one_commit(chain: Chain, handler: str) -> None:
    """One flush of the log for all of it."""
    for size, cost in chain.costs[handler]:
        assert cost.commits == 1, f"{cost.commits} commits for {size}"
