"""One order is one trace: from its intake through all five services, every step under what caused it."""

import asyncio

import pytest

from shared.contracts.orders import OrderCompleted
from tests.harness.otlp import Span
from tests.system.suite import Suite

pytestmark = [pytest.mark.platform, pytest.mark.timeout(300)]

CAUSES = {
    # (who, what) -> what it was caused by
    ("orders", "place order"): None,
    ("inventory", "process order.placed"): ("orders", "place order"),
    ("notifications", "process order.placed"): ("orders", "place order"),
    ("orders", "process stock.reserved"): ("inventory", "process order.placed"),
    ("fulfillment", "process order.confirmed"): ("orders", "process stock.reserved"),
    ("returns", "process order.confirmed"): ("orders", "process stock.reserved"),
    ("notifications", "process order.confirmed"): ("orders", "process stock.reserved"),
    ("orders", "process shipment.created"): ("fulfillment", "process order.confirmed"),
    ("orders", "process shipment.dispatched"): ("fulfillment", "process order.confirmed"),
    ("inventory", "process shipment.dispatched"): ("fulfillment", "process order.confirmed"),
    ("notifications", "process shipment.dispatched"): ("fulfillment", "process order.confirmed"),
    ("orders", "process shipment.delivered"): ("fulfillment", "process order.confirmed"),
    ("returns", "process shipment.delivered"): ("fulfillment", "process order.confirmed"),
    ("notifications", "process shipment.delivered"): ("fulfillment", "process order.confirmed"),
}
"""Dispatch and delivery are asked for by people and carriers, whose own traces are linked, not followed: they stand
under the message that began the parcel."""


def step(span: Span) -> tuple[str, str]:
    return span.service, span.name


async def test_an_order_is_one_trace_with_the_right_parents(suite: Suite) -> None:
    sku = await suite.article(north=1)
    # Paid beforehand: nothing that a payment service says decides which message confirms the order.
    body = suite.body((sku, 1, 1000))
    paid = {
        "payment_id": f"paid-{body['external_id']}",
        "method": "voucher",
        "authorized": 1490,
        "captured": 1490,
    }
    order = await suite.place(body | {"payments": [paid]}, pays=None)
    await order.deliver(*await order.parcels())
    await order.expect(OrderCompleted)
    await suite.settled()

    about = [heard for heard in suite.heard if getattr(heard.event, "order_id", None) == order.order_id]
    (trace,) = {heard.headers["traceparent"].split("-")[1] for heard in about}

    def of_order(spans: list[Span]) -> list[Span]:
        return [span for span in spans if span.trace_id == trace]

    await asyncio.to_thread(suite.sink.wait_for, lambda spans: len(of_order(spans)) >= len(CAUSES), 30)
    spans = of_order(suite.sink.spans)
    by_id = {span.span_id: span for span in spans}
    causes = {step(span): step(by_id[span.parent_id]) if span.parent_id else None for span in spans}
    assert causes == CAUSES
    assert len(spans) == len(CAUSES), "a step was recorded twice"

    for span in spans:
        if span.parent_id is not None:
            assert span.kind == "CONSUMER"
            assert (trace, span.parent_id) in span.links, "a step is linked to the creation of its message"
            assert span.start_ns >= by_id[span.parent_id].start_ns
            assert not span.error
    (root,) = [span for span in spans if span.parent_id is None]
    ((request_trace, _),) = root.links
    assert request_trace != trace, "the caller's own trace is linked, not followed"


async def test_every_message_of_an_order_carries_its_trace_and_a_rising_sequence(suite: Suite) -> None:
    sku = await suite.article(north=1)
    order = await suite.order((sku, 1, 1000))
    await order.deliver(*await order.parcels())
    await order.expect(OrderCompleted)
    await suite.settled()
    about = [heard for heard in suite.heard if getattr(heard.event, "order_id", None) == order.order_id]
    assert len({heard.headers["traceparent"].split("-")[1] for heard in about}) == 1
    for source in {heard.headers["ce_source"] for heard in about}:
        said: dict[str, list[int]] = {}
        for heard in about:
            if heard.headers["ce_source"] == source:
                said.setdefault(heard.event.topic, []).append(int(heard.headers["ce_sequence"]))
                assert heard.headers["ce_type"] == f"{heard.event.topic}.v1"
                assert heard.headers["ce_partitionkey"] == heard.headers["ce_subject"] == order.order_id
        for topic, sequences in said.items():
            if source != "/oms/notifications":
                assert sequences == sorted(set(sequences)), f"{source} {topic}"
