"""What the returns desk works with: lists, many boxes at once, returns whose goods never came."""

from services.returns.jobs import measure
from shared.contracts.returns import ReturnReceived
from tests.component.returns.world import World, found, units


async def test_many_boxes_at_once_each_with_its_own_answer(world: World) -> None:
    order = await world.arrived({"w1": {"l1": (5, 500)}})
    opened = [await world.opened(order, units()) for _ in range(3)]
    boxes = [
        {"return_id": opened[0], "units": [found()]},
        {"return_id": opened[1], "units": [found(quantity=9)]},
        {"return_id": "no-such-return", "units": [found()]},
        {"return_id": opened[2], "units": [found()], "place_id": "w9"},
    ]
    for _ in range(2):  # The second time nothing new happens.
        answer = await world.service.http.post(
            "/returns/receive", json={"boxes": boxes}, headers={"X-Actor": "joe"}
        )
        body = answer.json()
        assert (body["done"], body["refused"]) == (2, 2)
        assert [row["status"] for row in body["results"]] == [200, 422, 404, 200]
        assert body["results"][0]["result"]["received"]["by"] == "joe"
        assert body["results"][1]["errors"][0]["field"] == "units.0.quantity"
    await world.quiet()
    said = world.topics.all(ReturnReceived, lambda event: event.order_id == order.order_id)
    assert sorted(event.place_id for event in said) == ["w1", "w9"]


async def test_lists_have_filters_and_pages(world: World) -> None:
    order = await world.arrived({"w1": {"l1": (5, 500)}})
    opened = [await world.opened(order, units()) for _ in range(5)]
    await world.receive(opened[2], found())

    async def listed(**query: object) -> list[str]:
        ids: list[str] = []
        after: dict[str, object] = {}
        while True:
            page = (await world.service.http.get("/returns", params={"limit": 2} | query | after)).json()
            assert len(page["items"]) <= 2
            ids += [item["return_id"] for item in page["items"]]
            if page["next"] is None:
                return ids
            after = {"after": page["next"]}

    assert await listed(order_id=order.order_id) == opened
    assert await listed(order_id=order.order_id, state="received") == [opened[2]]
    assert await listed(order_id=order.order_id, origin="returned_to_sender") == []
    everything = await listed()
    assert len(everything) == len(set(everything)) and set(opened) <= set(everything)


async def test_bad_queries_name_the_field(world: World) -> None:
    get = world.service.http.get
    for query, field in (
        ("state=lost", "query.state"),
        ("limit=0", "query.limit"),
        ("after=nothing", "query.after"),
    ):
        answer = await get(f"/returns?{query}")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert (await get("/returns/nothing")).status_code == 404
    assert (await get("/returns/two%20words")).status_code == 422
    assert (await get("/orders/nothing/returnable")).status_code == 404


async def test_open_returns_are_measured(world: World) -> None:
    order = await world.arrived({"w1": {"l1": (1, 100)}})
    await world.opened(order, units())
    [row] = await world.service.rows("SELECT count(*) AS open FROM returns WHERE state = 'authorized'")
    assert await measure(world.service.service) == 0
    text = (await world.service.http.get("/metrics")).text
    assert f'oms_returns_open{{service="returns",state="authorized"}} {row["open"]}.0' in text
