"""Orders are captured once, whichever road they come by and however often; refusals name every faulty field."""

import asyncio
from typing import Any

import httpx

from deploy.local import Platform
from shared.contracts.channels import OrderCancelSubmitted, OrderSubmitted
from shared.contracts.orders import OrderCancelled, OrderPlaced, OrderRefused
from shared.db.ids import new_id
from tests.component.orders import world as say
from tests.component.orders.conftest import World
from tests.harness.service import running, until


def named(external_id: str) -> Any:
    """Filter for events of one order by its channel's name."""
    return lambda event: event.external_id == external_id


async def test_a_hundred_at_once_over_both_roads_are_one_order(world: World) -> None:
    submitted = say.order()
    http = [world.post("/orders", say.body(submitted)) for _ in range(100)]
    topic = [world.topics.say(submitted) for _ in range(20)]
    answers = (await asyncio.gather(asyncio.gather(*http), asyncio.gather(*topic)))[0]
    assert {answer.status_code for answer in answers} <= {200, 202}
    assert len({answer.json()["order_id"] for answer in answers}) == 1
    await world.service.settled()
    assert len(world.topics.all(OrderPlaced, named(submitted.external_id))) == 1
    assert not world.topics.all(OrderRefused, named(submitted.external_id))


async def test_the_same_order_again_answers_the_same_id_and_another_one_is_a_409_naming_the_field(
    world: World,
) -> None:
    submitted = say.order()
    first = await world.post("/orders", say.body(submitted), Idempotency_Key=new_id())
    again = await world.post("/orders", say.body(submitted), Idempotency_Key=new_id())
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["order_id"] == again.json()["order_id"]
    assert again.headers["location"] == first.headers["location"]
    other = await world.post("/orders", say.body(say.order(submitted.external_id, shipping=600, total=7600)))
    assert (other.status_code, other.json()["code"]) == (409, "different_order")
    assert {error["field"] for error in other.json()["errors"]} == {"shipping", "total"}
    assert first.json()["order_id"] in other.json()["detail"]


async def test_a_different_order_by_topic_is_refused_there_and_names_its_message(world: World) -> None:
    submitted = say.order()
    await world.place(submitted)
    message_id = await world.topics.say(say.order(submitted.external_id, prices_include_tax=True))
    refusal = await world.topics.expect(OrderRefused, named(submitted.external_id))
    assert (refusal.message_id, refusal.refused) == (message_id, "order")
    assert [error.field for error in refusal.errors] == ["prices_include_tax"]


FAULTY = {
    "channel": "fax",
    "currency": "EUX",
    "address": {"country": "XX"},
    "total": 1,
    "shipping": "5",
    "lines": [
        {"line_id": "1", "sku": "A", "quantity": 0, "unit_price": 100, "total": 100},
        {"line_id": "2", "sku": "B", "quantity": 2, "unit_price": 100, "tax": 10, "total": 200},
        {"line_id": "2", "sku": "C", "quantity": 1, "unit_price": 100, "total": 100},
    ],
    "payments": [{"payment_id": "p", "authorized": 5, "captured": 6}],
}  # fmt: skip
EXPECTED = {
    "channel", "currency", "address.country", "shipping", "lines.0.quantity", "lines.1.total", "lines.2.line_id",
    "payments.0.captured", "payments",
}  # fmt: skip


async def test_every_faulty_field_is_named_at_once_over_http(world: World) -> None:
    answer = await world.post("/orders", say.body(say.order()) | FAULTY)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert {error["field"] for error in answer.json()["errors"]} == EXPECTED
    assert all(error["problem"] for error in answer.json()["errors"])


async def test_a_misspelt_field_is_refused_over_http_and_ignored_on_the_topic(world: World) -> None:
    """Readers of topics must bear newer senders; over HTTP a customer's address would be lost unseen."""
    submitted = say.order()
    body = say.body(submitted)
    body |= {"customer": body.pop("contact"), "lines": [line | {"colour": "red"} for line in body["lines"]]}
    answer = await world.post("/orders", body)
    assert answer.status_code == 422
    fields = {error["field"] for error in answer.json()["errors"]}
    assert fields == {"customer"} | {f"lines.{number}.colour" for number in range(len(body["lines"]))}
    assert all("correct its name" in error["remedy"] for error in answer.json()["errors"])
    await say_raw(world, OrderSubmitted, f"{submitted.channel}:{submitted.external_id}", body)
    await world.topics.expect(OrderPlaced, named(submitted.external_id))


async def test_a_refund_whose_amount_is_misspelt_pays_nothing(world: World) -> None:
    order_id = await world.place()
    answer = await world.post(f"/orders/{order_id}/refunds", {"reason": "late", "ammount": 500})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["ammount"]


async def test_a_wrong_method_is_told_every_right_one(world: World) -> None:
    answer = await world.service.http.delete("/orders")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert "GET, POST" in answer.json()["detail"]


async def test_every_faulty_field_is_named_at_once_by_topic(world: World) -> None:
    external_id = f"T-{new_id()}"
    body = say.body(say.order(external_id)) | FAULTY
    await say_raw(world, OrderSubmitted, f"fax:{external_id}", body)
    refusal = await world.topics.expect(OrderRefused, named(external_id))
    assert {error.field for error in refusal.errors} == EXPECTED and refusal.channel == "fax"


async def test_an_order_without_a_name_is_refused_by_the_id_of_its_message(world: World) -> None:
    message_id = await say_raw(world, OrderSubmitted, "?", {"channel": 7, "lines": []})
    refusal = await world.topics.expect(OrderRefused, lambda event: event.message_id == message_id)
    assert (refusal.channel, refusal.external_id) == ("unknown", "unknown")
    assert {"channel", "external_id", "lines", "total"} <= {error.field for error in refusal.errors}


async def say_raw(world: World, model: Any, key: str, body: dict[str, Any]) -> str:
    """A message with a body that the contract would not let through."""
    import orjson

    message_id = new_id()
    headers = [("ce_type", model.ce_type()), ("ce_id", message_id), ("ce_source", "/tests")]
    encoded = [(name, value.encode()) for name, value in headers]
    await world.topics.raw(model.topic, key.encode(), orjson.dumps(body), encoded)
    return message_id


async def test_a_cancellation_that_comes_before_its_order_cancels_it(world: World) -> None:
    submitted = say.order()
    cancel = OrderCancelSubmitted(channel="shop", external_id=submitted.external_id, reason="never mind")
    await world.topics.say(cancel, copies=2)
    await world.service.settled()
    listed = await world.service.http.get("/orders", params={"external_id": submitted.external_id})
    assert listed.json()["items"] == [], "what is only expected is no order"
    answer = await world.post("/orders", say.body(submitted))
    order_id = answer.json()["order_id"]
    assert answer.status_code == 202
    cancelled = await world.topics.expect(OrderCancelled, world.about(order_id))
    assert (cancelled.reason, cancelled.detail) == ("cancel_requested", "never mind")
    assert len(world.topics.all(OrderPlaced, world.about(order_id))) == 1
    assert (await world.post("/orders", say.body(submitted))).status_code == 200
    assert (await world.show(order_id))["state"] == "cancelled"


async def test_cancellations_and_orders_racing_by_both_roads_always_meet(world: World) -> None:
    submitted = [say.order() for _ in range(40)]

    async def race(order: OrderSubmitted) -> str:
        cancel = OrderCancelSubmitted(channel="shop", external_id=order.external_id)
        _, answer = await asyncio.gather(world.topics.say(cancel), world.post("/orders", say.body(order)))
        return str(answer.json()["order_id"])

    for order_id in await asyncio.gather(*(race(order) for order in submitted)):
        await world.until_state(order_id, "cancelled")


async def test_a_cancellation_that_comes_too_late_is_refused_with_what_to_do_instead(world: World) -> None:
    order_id = await world.confirm()
    await world.topics.say(say.dispatched(order_id))
    shown = await world.until_state(order_id, "shipped")
    cancel = OrderCancelSubmitted(channel="shop", external_id=shown["external_id"])
    message_id = await world.topics.say(cancel)
    refusal = await world.topics.expect(OrderRefused, named(shown["external_id"]))
    assert (refusal.refused, refusal.message_id) == ("cancellation", message_id)
    assert "return" in refusal.errors[0].remedy


async def test_orders_are_found_by_what_people_know_of_them(world: World) -> None:
    mail = f"{new_id()}@example.org"
    ids = [await world.place(say.order(contact={"email": mail.upper()})) for _ in range(5)]
    find = world.service.http.get
    first = (await find("/orders", params={"email": mail, "limit": 3})).json()
    second = (await find("/orders", params={"email": mail, "limit": 3, "after": first["next"]})).json()
    listed = [item["order_id"] for item in first["items"] + second["items"]]
    assert listed == ids[::-1] and second["next"] is None
    shown = await world.show(ids[0])
    span = {
        "placed_from": shown["placed_at"],
        "placed_before": "9999-12-30T00:00:00Z",
        "state": "awaiting_stock",
    }
    found = (await find("/orders", params={"email": mail, "channel": "shop", **span})).json()["items"]
    assert [item["order_id"] for item in found] == ids[::-1]
    before = {"email": mail, "placed_before": shown["placed_at"]}
    assert (await find("/orders", params=before)).json()["items"] == []
    by_name = (await find("/orders", params={"external_id": shown["external_id"]})).json()["items"]
    assert [item["order_id"] for item in by_name] == [ids[0]]
    wrong = await find("/orders", params={"state": "lost", "limit": 0})
    assert wrong.status_code == 422 and len(wrong.json()["errors"]) == 2
    assert (await find("/orders/none")).status_code == 404


async def test_no_new_orders_are_taken_while_too_much_waits_to_be_sent(
    platform: Platform, topic_prefix: str
) -> None:
    # No relay: what is placed stays in the outbox, as while the broker is away.
    async with running(
        platform, "orders", prefix=topic_prefix, roles=("api",), intake_max_outbox=2
    ) as service:

        async def refused() -> httpx.Response | None:
            answer = await service.http.post("/orders", json=say.body(say.order()))
            assert answer.status_code in (202, 429)
            return answer if answer.status_code == 429 else None

        answer = await until(refused, "orders are refused")
        assert answer.headers["retry-after"] == "5" and answer.json()["code"] == "too_many_requests"
        [taken] = await service.rows("SELECT count(*) AS orders, min(id) AS id FROM orders")
        assert taken["orders"] > 2
        # What makes the pile no larger than it must be is still answered.
        assert (await service.http.get(f"/orders/{taken['id']}")).status_code == 200
        cancelled = await service.http.post(f"/orders/{taken['id']}/cancel", json={"reason": "late"})
        assert cancelled.status_code == 202
        await service.rows("DELETE FROM outbox")

        async def taken_again() -> bool:
            return (await service.http.post("/orders", json=say.body(say.order()))).status_code == 202

        await until(taken_again, "orders are taken again")
