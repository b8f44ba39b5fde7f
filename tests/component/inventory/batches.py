"""Batches handed to a handler directly, so that a test decides what is in one and what runs at the same time."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from psycopg.errors import SerializationFailure

from shared.contracts.envelope import Event
from shared.db.ids import new_id
from shared.messaging.message import Message
from tests.harness.service import Running

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


def messages(events: Sequence[Event]) -> list[Message[Any]]:
    """Events as the consumer hands them over."""
    now = datetime.now(UTC)
    return [
        Message(new_id(), event, event.topic, 0, number, now, TRACE) for number, event in enumerate(events)
    ]


async def handle(service: Running, handler: Any, *events: Event) -> None:
    """One batch in one transaction; tried again, as the consumer does, when another was first to hear of an order.

    After nothing else: a deadlock would be seen.
    """
    while True:
        try:
            async with service.service.transaction() as tx:
                await handler(messages(events), tx)
                return
        except SerializationFailure:
            continue
