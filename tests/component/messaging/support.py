"""What the tests of the plumbing share: messages, faults put around ports, processes to kill."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient

from shared.contracts.orders import RefundIssued
from shared.contracts.payments import PaymentCaptured
from shared.runtime.service import Service
from tests.harness.process import Process, spawned
from tests.harness.service import Wire

CURSED = 666
"""An amount that makes tally's handler fail."""


def captured(order: str, number: int = 0, amount: int = 1) -> PaymentCaptured:
    return PaymentCaptured(order_id=order, payment_id=f"{order}-p{number}", amount=amount, currency="EUR")


def headers(**changes: bytes | None) -> list[tuple[str, bytes | None]]:
    """CloudEvents headers of a payment.captured, with some changed; "-" leaves one out."""
    usual: dict[str, bytes | None] = {
        "ce_id": b"1", "ce_type": b"payment.captured.v1", "ce_source": b"/tests",
    }  # fmt: skip
    return [(name, value) for name, value in (usual | changes).items() if value != b"-"]


async def say_many(topics: Wire, events: Sequence[PaymentCaptured]) -> None:
    """Send them without waiting for each, so that they meet in one batch; order per key is kept."""
    sent = []
    for number, event in enumerate(events):
        body = event.model_dump_json(exclude_none=True).encode()
        name = f"{event.payment_id}/{number}".encode()
        sent.append(
            await topics.producer.send(
                topics.prefix + event.topic, key=event.key().encode(), value=body, headers=headers(ce_id=name)
            )
        )
    await asyncio.gather(*sent)


def amounts_by_order(events: Sequence[RefundIssued]) -> dict[str, list[int]]:
    """What was said of each order, in the order in which it was heard, copies dropped."""
    found: dict[str, list[int]] = defaultdict(list)
    for event in events:
        if event.amount not in found[event.order_id]:
            found[event.order_id].append(event.amount)
    return dict(found)


def wrap_handler(
    service: Service[Any, Any], around: Callable[[Callable[..., Any], Sequence[Any], Any], Any]
) -> None:
    """Puts `around(handler, messages, tx)` in the place of tally's first handler."""
    routes = service.decoder._routes
    for ce_type, (model, route) in list(routes.items()):
        if route.name == "tally":
            handler = route.handler

            async def tally(messages: Sequence[Any], tx: Any, handler: Any = handler) -> None:
                await around(handler, messages, tx)

            routes[ce_type] = (model, replace(route, handler=tally))


async def committed_offsets(bootstrap: str, group: str, topic: str) -> dict[int, int]:
    """What the broker remembers for a group."""
    async with admin(bootstrap) as client:
        known = await client.list_consumer_group_offsets(group)
        return {place.partition: offset.offset for place, offset in known.items() if place.topic == topic}


@asynccontextmanager
async def admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """Kafka's administration."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def process(
    database_url: str,
    kafka: str,
    prefix: str,
    *,
    roles: str = "api,consumer,relay,jobs",
    fault: str = "",
    **more: Any,
) -> AsyncIterator[Process]:
    """Starts `tests.component.messaging.process`; killed at the end unless it ended by itself."""
    settings = {
        "database_url": database_url,
        "kafka": kafka,
        "topic_prefix": prefix,
        "http_port": 0,
        "progress_seconds": 0.1,
        "session_timeout_ms": 6_000,
        "drain_seconds": 10.0,
        **more,
    }
    async with spawned("tests.component.messaging.process", roles, fault, json.dumps(settings)) as child:
        yield child
