"""A batch costs a handful of statements, however many orders are in it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.fulfillment.handlers.order_cancel_requested import order_cancel_requested
from services.fulfillment.handlers.order_confirmed import order_confirmed
from services.fulfillment.handlers.tracking_submitted import tracking_submitted
from shared.contracts.envelope import Event
from shared.db.bulk import Session
from shared.db.ids import new_id
from shared.messaging.message import Message
from tests.component.fulfillment.world import World, cancel, confirmed, scan

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


def messages(events: list[Any]) -> list[Message[Any]]:
    def message(event: Event, offset: int) -> Message[Any]:
        now = datetime.now(UTC)
        return Message(
            id=new_id(), event=event, topic=event.topic, partition=0, offset=offset, time=now, trace=TRACE
        )

    return [message(event, offset) for offset, event in enumerate(events)]


async def statements(world: World, monkeypatch: pytest.MonkeyPatch, handler: Any, events: list[Any]) -> int:
    """How many statements a handler sends for these events; those of the service's other work are not counted."""
    count = 0
    async with world.service.service.transaction() as tx:
        session = tx.store.orders._session

        def counted(method: Any) -> Any:
            async def call(self: Session, *arguments: Any, **options: Any) -> Any:
                nonlocal count
                count += self is session and arguments[-1] != []
                return await method(self, *arguments, **options)

            return call

        with monkeypatch.context() as patch:
            for name in ("_run", "update", "execute"):
                patch.setattr(Session, name, counted(getattr(Session, name)))
            await handler(messages(events), tx)
    return count


async def test_the_number_of_statements_does_not_depend_on_the_batch(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [confirmed(("p1", "p2")) for _ in range(500)]
    assert await statements(world, monkeypatch, order_confirmed, orders) == 2
    assert await statements(world, monkeypatch, order_confirmed, orders) == 2
    cancels = [cancel(order.order_id) for order in orders]
    assert await statements(world, monkeypatch, order_cancel_requested, cancels) <= 6
    numbers = [(await world.dispatched())[1] for _ in range(3)]
    times = [f"2026-01-10T12:00:{second:02d}Z" for second in range(50)]
    scans = [scan(number, "in_transit", time) for number in numbers for time in times]
    assert await statements(world, monkeypatch, tracking_submitted, scans) <= 8
    await world.quiet()
    rows = await world.service.rows(
        "SELECT state, count(*) AS n FROM shipments GROUP BY state ORDER BY state"
    )
    assert rows == [{"state": "cancelled", "n": 1000}, {"state": "dispatched", "n": 3}]
