"""What an order costs on the wire, from its intake to its recorded shipment: messages and bytes within a budget.

A message is written, stored three times, read by every hearer and remembered in every inbox: one more is dear.
"""

from typing import Any

import pytest

from shared.runtime.service import Service
from tests.component.guards import life
from tests.component.guards.chain import Chain

pytestmark = [pytest.mark.platform, pytest.mark.timeout(300)]

SIZE = 100
MESSAGES = {
    "order.submitted": 1,
    "order.placed": 1,
    "payment.authorized": 1,
    "stock.reserved": 1,
    "order.confirmed": 1,
    "shipment.created": 1,
    "stock.level_changed": 1,
}
"""Of an order of one line from one place; the last is at most one per SKU and batch, here every order has its own."""

BYTES = 6_800
"""Keys, values and headers of all of them, before compression."""


@pytest.fixture(scope="module")
async def chain(services: dict[str, Service[Any, Any]]) -> Chain:
    """A hundred orders, recorded as being in fulfilment; only they are counted."""
    chain = Chain(services, life.bank)
    await life.stock_up(chain, SIZE)
    assert len(await life.created(chain, SIZE)) == SIZE
    return chain


def test_an_order_is_no_more_messages_than_its_budget(chain: Chain) -> None:
    """Nobody says more than others need to hear."""
    assert dict(chain.sent) == {topic: count * SIZE for topic, count in MESSAGES.items()}


def test_an_order_is_no_more_bytes_than_its_budget(chain: Chain) -> None:
    """Events carry what their hearers need and no more."""
    each = {topic: round(size / SIZE) for topic, size in chain.sent_bytes.items()}
    assert sum(each.values()) <= BYTES, f"{sum(each.values())} bytes: {each}"
