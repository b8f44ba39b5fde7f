"""Customers send back what was delivered, in parts, and get what it is worth."""

import asyncio

import pytest

from services.returns.jobs import purge
from shared.contracts.returns import ReturnAuthorized, ReturnReceived, ReturnRejected
from shared.db.ids import new_id, shipment_id
from tests.component.returns.world import World, cancelled, confirmed, delivered, found, lost, refunded, units
from tests.harness.service import until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


async def test_partial_returns_add_up_to_what_the_line_was_worth(world: World) -> None:
    order = await world.arrived({"w1": {"l1": (3, 1000)}})
    parcel = shipment_id(order.order_id, "w1")
    values = []
    for number in range(3):
        return_id = await world.opened(order, units())
        answer = await world.receive(return_id, found())
        assert answer.status_code == 200, answer.text
        assert answer.json()["state"] == "received"
        values.append(answer.json()["received"]["value"])
        event = await world.topics.expect(
            ReturnReceived, lambda event, wanted=return_id: event.return_id == wanted
        )
        assert (event.value, event.currency, event.place_id) == (values[number], "EUR", "w1")
        assert [(each.shipment_id, each.line_id, each.sku, each.quantity) for each in event.units] == [
            (parcel, "l1", "sku-l1", 1)
        ]
    assert values == [333, 333, 334]
    nothing = await world.ask(order, units())
    assert (nothing.status_code, nothing.json()["code"]) == (409, "nothing_left")


async def test_a_return_closes_on_the_refund_that_names_it(world: World) -> None:
    order = await world.arrived({"w1": {"l1": (2, 1000)}})
    first, second = await world.opened(order, units()), await world.opened(order, units())
    for return_id in (first, second):
        assert (await world.receive(return_id, found())).status_code == 200
    await world.topics.say(refunded(order))
    await world.topics.say(refunded(order, first), copies=2)
    closed = await world.until_state(first, "closed")
    assert closed["refunded"] is True
    assert (await world.find(second))["state"] == "received"


async def test_a_return_worth_nothing_closes_at_once(world: World) -> None:
    order = await world.arrived({"w1": {"l1": (1, 0)}})
    answer = await world.receive(await world.opened(order, units()), found(disposition="scrap"))
    assert answer.json()["state"] == "closed"


async def test_what_was_missing_in_the_box_may_come_back_later(world: World) -> None:
    order = await world.arrived({"w1": {"l1": (3, 1000)}})
    first = await world.opened(order, units(quantity=3))
    received = await world.receive(first, found(quantity=1), found(quantity=1, disposition="quarantine"))
    assert received.json()["received"]["value"] == 666
    assert await world.returnable(order) == 1
    second = await world.receive(await world.opened(order, units()), found())
    assert second.json()["received"]["value"] == 334


async def test_the_same_box_again_changes_nothing_and_another_is_refused(world: World) -> None:
    order = await world.arrived({"w1": {"l1": (3, 1000)}})
    return_id = await world.opened(order, units(quantity=2))
    first = await world.receive(return_id, found(quantity=2))
    again = await world.receive(return_id, found(), found())
    assert (again.status_code, again.json()) == (200, first.json())
    other = await world.receive(return_id, found())
    assert (other.status_code, other.json()["code"]) == (409, "already_received")
    too_much = await world.receive(await world.opened(order, units()), found(quantity=2))
    assert (too_much.status_code, too_much.json()["errors"][0]["field"]) == (422, "units.0.quantity")
    await world.quiet()
    assert len(world.topics.all(ReturnReceived, lambda event: event.return_id == return_id)) == 1


async def test_a_rejected_return_is_over_and_said_so_once(world: World) -> None:
    order = await world.arrived({"w1": {"l1": (1, 100)}})
    return_id = await world.opened(order, units())
    for reason in ("an empty box", "another reason"):
        answer = await world.service.http.post(f"/returns/{return_id}/reject", json={"reason": reason})
        assert answer.json()["rejected"]["reason"] == "an empty box"
    late = await world.receive(return_id, found())
    assert (late.status_code, late.json()["code"]) == (409, "already_rejected")
    await world.quiet()
    [event] = world.topics.all(ReturnRejected, lambda event: event.return_id == return_id)
    assert event.reason == "an empty box"
    assert await world.returnable(order) == 1


async def test_fifty_ask_for_the_last_unit_and_one_gets_it(world: World) -> None:
    order = await world.arrived({"w1": {"l1": (1, 100)}})
    answers = await asyncio.gather(*(world.ask(order, units()) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 49
    await world.quiet()
    assert len(world.topics.all(ReturnAuthorized, lambda event: event.order_id == order.order_id)) == 1


async def test_what_is_not_delivered_yet_says_when_to_ask_again(world: World) -> None:
    order = confirmed({"w1": {"l1": (1, 100)}})
    unknown = await world.ask(order, units())
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_order")
    await world.topics.say(order)
    await world.until_offered(order, 0)
    early = await world.ask(order, units(), headers={"Idempotency-Key": new_id()})
    assert (early.status_code, early.json()["code"], early.headers["retry-after"]) == (
        409,
        "not_delivered_yet",
        "3600",
    )
    await world.topics.say(delivered(order))
    await world.until_offered(order, 1)
    assert (await world.ask(order, units(), headers={"Idempotency-Key": new_id()})).status_code == 201


async def test_what_was_lost_or_cancelled_is_said_to_be_so_and_not_to_be_waited_for(world: World) -> None:
    order = confirmed({"w1": {"l1": (1, 100)}, "w2": {"l2": (1, 100)}, "w3": {"l3": (1, 100)}})
    await world.topics.say(lost(order, "w1"))  # Both before the order itself: facts come in any order.
    await world.topics.say(cancelled(order, "w2"))
    await world.topics.say(order)
    await world.topics.say(delivered(order, "w3"))
    await world.until_offered(order, 1)
    await world.quiet()
    for line, word in (("l1", "lost"), ("l2", "cancelled")):
        answer = await world.ask(order, units(line))
        assert (answer.status_code, answer.json()["code"]) == (409, word)
        assert "retry-after" not in answer.headers
        assert "paid back" in answer.json()["detail"]
    offers = (await world.service.http.get(f"/orders/{order.order_id}/returnable")).json()["units"]
    assert {each["line_id"]: each["why_not"] for each in offers} == {
        "l1": "lost",
        "l2": "cancelled",
        "l3": "",
    }
    assert (await world.ask(order, units("l3"))).status_code == 201


async def test_a_cancellation_without_parcels_is_no_order_of_ours(world: World) -> None:
    order = confirmed({"w1": {"l1": (1, 100)}})
    await world.topics.say(cancelled(order))
    await world.quiet()
    assert await world.returnable(order) == -1


async def test_orders_of_long_ago_are_forgotten_unless_a_return_waits(world: World) -> None:
    over, waits, new = [await world.arrived({"w1": {"l1": (2, 100)}}) for _ in range(3)]
    closed = (await world.ask(over, units())).json()["return_id"]
    await world.service.http.post(f"/returns/{closed}/reject", json={"reason": "kept"})
    open_return = (await world.ask(waits, units())).json()["return_id"]
    # Ids rise with time: one that begins with 00 was made decades ago.
    for order in (over, waits):
        for table in ("returns", "returnables"):
            sql = f"UPDATE {table} SET order_id = '00' || substr(order_id, 3) WHERE order_id = :id"
            await world.service.rows(sql, id=order.order_id)
    assert await purge(world.service.service) == 1
    assert await purge(world.service.service) == 0
    assert (await world.service.http.get(f"/returns/{closed}")).status_code == 404
    assert (await world.service.http.get(f"/returns/{open_return}")).status_code == 200
    assert await world.returnable(new) == 2


async def test_a_delivery_in_the_future_counts_from_when_it_was_heard(world: World) -> None:
    order = confirmed({"w1": {"l1": (1, 100)}})
    await world.topics.say(order)
    await world.topics.say(delivered(order, days_ago=-2_900_000))
    await world.until_offered(order, 1)
    assert (await world.ask(order, units())).status_code == 201


async def test_when_the_window_is_over_only_goodwill_helps(world: World) -> None:
    order = confirmed({"w1": {"l1": (1, 100)}})
    await world.topics.say(order)
    await world.topics.say(delivered(order, days_ago=31))

    async def over() -> bool:
        return (await world.ask(order, units())).json()["code"] == "window_over"

    await until(over, "the window is over")
    taken = await world.ask(order, units(), goodwill=True, headers={"X-Actor": "jane"})
    assert (taken.status_code, taken.json()["authorized_by"]) == (201, "jane")


async def test_every_faulty_field_is_named(world: World) -> None:
    order = await world.arrived({"w1": {"l1": (1, 100)}})
    refused = await world.ask(order, units("nope"), units(shipment_id="elsewhere"), units(quantity=7))
    assert refused.status_code == 422
    fields = [error["field"] for error in refused.json()["errors"]]
    assert fields == ["units.0.line_id", "units.1.shipment_id", "units.2.quantity"]
    malformed = await world.ask(order, units(quantity=0), units(reason="bored"), color="red")
    assert malformed.status_code == 422
    assert {error["field"] for error in malformed.json()["errors"]} == {
        "units.0.quantity",
        "units.1.reason",
        "color",
    }


@pytest.mark.parametrize(
    "body", [{}, {"order_id": "o", "channel": "shop", "external_id": "e"}, {"channel": "shop"}]
)
async def test_an_order_is_named_one_way(world: World, body: dict[str, str]) -> None:
    answer = await world.service.http.post("/returns", json=body | {"units": [units()]})
    assert answer.status_code == 422
    assert "order_id" in answer.json()["errors"][0]["problem"]


async def test_an_order_may_be_named_by_its_channel(world: World) -> None:
    order = await world.arrived({"w1": {"l1": (1, 100)}})
    body = {"channel": "shop", "external_id": order.external_id, "units": [units()]}
    answer = await world.service.http.post("/returns", json=body)
    assert (answer.status_code, answer.json()["order_id"]) == (201, order.order_id)
    assert answer.headers["location"] == f"/returns/{answer.json()['return_id']}"


async def test_the_same_reference_is_the_same_return(world: World) -> None:
    order = await world.arrived({"w1": {"l1": (2, 100)}})
    answers = await asyncio.gather(*(world.ask(order, units(), reference="RMA 7") for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
    assert len({answer.json()["return_id"] for answer in answers}) == 1
    other = await world.ask(order, units(quantity=2), reference="RMA 7")
    assert (other.status_code, other.json()["errors"][0]["field"]) == (409, "reference")


async def test_an_idempotency_key_makes_a_request_count_once(world: World) -> None:
    order = await world.arrived({"w1": {"l1": (2, 100)}})
    headers = {"Idempotency-Key": new_id()}
    first, again = (
        await world.ask(order, units(), headers=headers),
        await world.ask(order, units(), headers=headers),
    )
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert await world.returnable(order) == 1


async def test_everything_about_an_order_is_said_under_its_trace_in_sequence(world: World) -> None:
    order = confirmed({"w1": {"l1": (2, 100)}})
    for event in (order, delivered(order)):
        await world.topics.say(event, traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
    await world.until_offered(order, 2)
    first, second = await world.opened(order, units()), await world.opened(order, units())
    await world.receive(first, found())
    await world.service.http.post(f"/returns/{second}/reject", json={"reason": "never sent"})
    await world.topics.expect(ReturnRejected, lambda event: event.return_id == second)
    said = sorted(await until(lambda: _four(world, order.order_id), "four events"), key=lambda each: each[2])
    assert [kind for kind, _, _ in said] == [
        "return.authorized.v1", "return.authorized.v1", "return.received.v1", "return.rejected.v1",
    ]  # fmt: skip
    assert {trace for _, trace, _ in said} == {TRACE}
    assert [sequence for _, _, sequence in said] == [3, 4, 5, 6]


def _four(world: World, order_id: str) -> list[tuple[str, str, int]] | None:
    said = world.said_under(order_id)
    return said if len(said) == 4 else None
