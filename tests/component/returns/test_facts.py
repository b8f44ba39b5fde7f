"""Facts arrive twice, in any order, and together."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from services.returns.handlers.order_confirmed import order_confirmed
from services.returns.handlers.refund_issued import refund_issued
from services.returns.handlers.shipment_delivered import shipment_delivered
from services.returns.handlers.shipment_returned_to_sender import shipment_returned_to_sender
from shared.contracts.returns import ReturnAuthorized, ReturnReceived
from shared.db import bulk
from shared.db.bulk import _execute
from shared.db.ids import new_id, shipment_id
from shared.messaging.message import Message
from tests.component.returns.world import World, confirmed, delivered, found, refunded, sent_back, units
from tests.harness.service import until


async def test_a_parcel_delivered_before_its_order_was_confirmed(world: World) -> None:
    order = confirmed({"w1": {"l1": (2, 100)}})
    await world.topics.say(delivered(order), copies=2)
    await world.until_offered(order, 0)
    early = await world.ask(order, units())
    assert (early.status_code, early.json()["code"], early.headers["retry-after"]) == (
        409,
        "not_confirmed_yet",
        "5",
    )
    await world.topics.say(order, copies=2)
    await world.until_offered(order, 2)


async def test_a_refund_heard_before_everything_else(world: World) -> None:
    order = confirmed({"w1": {"l1": (2, 100)}})
    await world.topics.say(refunded(order, "some-other-return"))
    await world.until_offered(order, 0)
    await world.topics.say(delivered(order))
    await world.topics.say(order)
    await world.until_offered(order, 2)


async def test_a_refund_heard_before_the_goods_closes_the_return_when_they_come(world: World) -> None:
    order = await world.arrived({"w1": {"l1": (1, 100)}})
    return_id = await world.opened(order, units())
    await world.topics.say(refunded(order, return_id))

    async def heard() -> bool:
        return bool((await world.find(return_id))["refunded"])

    await until(heard, "the refund is known")
    assert (await world.find(return_id))["state"] == "authorized"
    assert (await world.receive(return_id, found())).json()["state"] == "closed"


async def test_a_parcel_returned_to_sender_opens_one_return_by_itself(world: World) -> None:
    order = confirmed({"w1": {"l1": (2, 100), "l2": (1, 5)}, "w2": {"l1": (1, 50)}})
    await world.topics.say(sent_back(order, "w1"), copies=3)
    await world.topics.say(sent_back(order, "w1"))  # the same news as another message
    opened = await world.topics.expect(ReturnAuthorized, lambda event: event.order_id == order.order_id)
    assert opened.origin == "returned_to_sender"
    assert {(each.line_id, each.quantity, each.reason) for each in opened.units} == {
        ("l1", 2, "returned_to_sender"), ("l2", 1, "returned_to_sender"),
    }  # fmt: skip
    early = await world.receive(opened.return_id, found(quantity=2))
    assert (early.status_code, early.json()["code"], early.headers["retry-after"]) == (
        409,
        "not_confirmed_yet",
        "5",
    )

    await world.topics.say(order)
    await world.topics.say(delivered(order, "w2"))
    await world.until_offered(order, 1)
    refused = await world.ask(order, units(shipment_id=shipment_id(order.order_id, "w1")))
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_left")

    received = await world.receive(opened.return_id, found(quantity=2), found("l2"))
    assert (received.json()["state"], received.json()["received"]["value"]) == ("closed", 0)
    event = await world.topics.expect(ReturnReceived, lambda event: event.return_id == opened.return_id)
    assert (event.value, event.place_id, event.currency) == (0, "w1", "EUR")
    customers = await world.receive(await world.opened(order, units()), found())
    assert customers.json()["received"]["value"] == 50
    await world.quiet()
    origins = [
        event.origin
        for event in world.topics.all(ReturnAuthorized, lambda event: event.order_id == order.order_id)
    ]
    assert sorted(origins) == ["customer", "returned_to_sender"]


async def test_an_order_first_heard_of_by_two_processes_loses_no_fact(world: World) -> None:
    """Only a rebalance can make this happen; here it is made to happen."""
    order_id = new_id()
    entered, leave = asyncio.Event(), asyncio.Event()
    service = world.service.service

    async def first() -> None:
        async with service.transaction() as tx:
            held = await tx.store.hold_heard({order_id: "trace"})
            await tx.store.save(held)
            entered.set()
            await leave.wait()

    async def second() -> str:
        await entered.wait()
        try:
            async with service.transaction() as tx:
                held = await tx.store.hold_heard({order_id: "trace"})
                waiting = asyncio.create_task(tx.store.save(held))
                await until(lambda: _waits(world), "the second waits for the first")
                leave.set()
                await waiting
        except Exception as error:
            return type(error).__name__
        return "saved"

    _, outcome = await asyncio.gather(first(), second())
    assert outcome == "SerializationFailure"


async def _waits(world: World) -> bool:
    return bool(await world.service.rows("SELECT 1 FROM pg_locks WHERE NOT granted"))


async def test_a_batch_takes_as_many_statements_as_a_single_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = await statements(world, 1, monkeypatch), await statements(world, 300, monkeypatch)
    assert counted[0] == counted[1]
    assert max(counted[0]) <= 5


async def statements(world: World, size: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many statements each handler needs for a batch about so many orders."""
    orders = [confirmed({"w1": {"l1": (2, 100)}, "w2": {"l2": (1, 7)}}) for _ in range(size)]
    batches: list[tuple[Any, list[Any]]] = [
        (order_confirmed, orders),
        (shipment_delivered, [delivered(order) for order in orders]),
        (shipment_returned_to_sender, [sent_back(order, "w2") for order in orders]),
        (refund_issued, [refunded(order, new_id()) for order in orders]),
    ]
    return [await _ran(world, handler, events, monkeypatch) for handler, events in batches]


async def _ran(world: World, handler: Any, events: list[Any], monkeypatch: pytest.MonkeyPatch) -> int:
    ran = 0
    async with world.service.service.transaction() as tx:

        async def count(cursor: Any, *arguments: Any) -> None:
            nonlocal ran
            ran += (
                cursor.connection is tx.store.orders._session._driver
            )  # The service's own work goes on meanwhile.
            await _execute(cursor, *arguments)

        monkeypatch.setattr(bulk, "_execute", count)
        await handler([_message(event) for event in events], tx)
        monkeypatch.setattr(bulk, "_execute", _execute)
    return ran


def _message(event: Any) -> Message[Any]:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
    return Message(new_id(), event, event.topic, 0, 0, datetime.now(UTC), trace, new_id())
