"""The life of an order, seen from orders alone."""

from shared.contracts.orders import (
    OrderCompleted,
    OrderConfirmed,
    OrderPlaced,
    PaymentCaptureRequested,
)
from tests.component.orders import world
from tests.harness.service import running, wire


async def test_an_order_is_placed_confirmed_collected_and_completed(platform, topic_prefix):
    async with running(platform, "orders", prefix=topic_prefix) as orders, wire(platform, topic_prefix) as topics:
        submitted = world.order()
        answer = await orders.http.post("/orders", json=world.body(submitted))
        assert answer.status_code == 202, answer.text
        order_id = answer.json()["order_id"]
        assert answer.headers["location"] == f"/orders/{order_id}"
        mine = lambda event: event.order_id == order_id  # noqa: E731
        shown = (await orders.http.get(f"/orders/{order_id}")).json()
        assert shown["state"] == "awaiting_stock"

        placed = await topics.expect(OrderPlaced, mine)
        assert placed.total == 7500 and placed.contact.name == "Ada Example"
        await topics.say(world.reserved(order_id, {"BERLIN": {"1": 2, "2": 1}, "HAMBURG": {"1": 1}}))
        await topics.say(world.authorized(order_id))
        confirmed = await topics.expect(OrderConfirmed, mine)
        shares = {place.place_id: place.shipping for place in confirmed.places}
        for allocation in confirmed.allocations:
            shares[allocation.place_id] += allocation.value
        assert sum(shares.values()) == 7500
        assert shares == {"BERLIN": 6000 + 429, "HAMBURG": 1000 + 71}

        for place in ("BERLIN", "HAMBURG"):
            await topics.say(world.created(order_id, place))
            await topics.say(world.dispatched(order_id, place))
        asked = await topics.expect(PaymentCaptureRequested, mine, count=2)
        assert sorted(request.amount for request in asked) == [1071, 6429]
        for request in asked:
            await topics.say(world.captured(request))
        for place in ("BERLIN", "HAMBURG"):
            await topics.say(world.delivered(order_id, place))
        await topics.expect(OrderCompleted, mine)
        await orders.settled()
        shown = (await orders.http.get(f"/orders/{order_id}")).json()
        assert shown["state"] == "completed" and shown["captured"] == 7500 and shown["attention"] == []
        sequences = [happening["sequence"] for happening in shown["timeline"]]
        assert sequences == list(range(1, len(sequences) + 1)) and sequences[-1] == shown["version"]
