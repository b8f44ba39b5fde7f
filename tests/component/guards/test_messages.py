"""What an order costs on the wire, from its intake to its recorded shipment: messages, bytes and spans in a budget.

A message is written, stored three times, read by every hearer and remembered in every inbox: one more is dear.
"""

import asyncio
from collections import Counter
from typing import Any

import pytest

from shared.runtime.service import Service
from tests.component.guards import life
from tests.component.guards.chain import Chain
from tests.harness.otlp import Sink

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

BYTES = 5_400
"""Keys, values and headers of all of them, before compression."""

SPANS = {
    ("orders", "place order"): 1,
    ("inventory", "process order.placed"): 1,
    ("notifications", "process order.placed"): 1,
    ("orders", "process stock.reserved"): 1,
    ("fulfillment", "process order.confirmed"): 1,
    ("returns", "process order.confirmed"): 1,
    ("notifications", "process order.confirmed"): 1,
    ("orders", "process shipment.created"): 1,
}
"""Of an order that is traced. A span costs as much as several messages: one for each message of the order that is
handled; what other systems say belongs to their traces."""


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


async def test_a_traced_order_is_no_more_spans_than_its_budget(chain: Chain, sink: Sink) -> None:
    """Neither statements nor rows get spans."""
    for service in chain.services.values():
        assert await asyncio.to_thread(service.tracing.shutdown), "not every span was sent"
    found = Counter((span.service, span.name) for span in sink.spans)
    catalogue = {key for key in found if "adjustment" in key[1]}
    assert {key: found[key] for key in found.keys() - catalogue} == {
        key: n * SIZE for key, n in SPANS.items()
    }
