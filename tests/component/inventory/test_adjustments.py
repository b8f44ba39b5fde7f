"""Quantities changed by people over HTTP and by warehouse systems over their topic."""

import json

from shared.contracts.inventory import StockAdjustmentRefused
from shared.contracts.warehouses import StockAdjustmentSubmitted
from shared.db.ids import new_id
from tests.component.inventory.world import World, order


def submitted(sku: str, place: str, delta: int, **other: object) -> StockAdjustmentSubmitted:
    body = {"adjustment_id": new_id(), "sku": sku, "place_id": place, "delta": delta, "reason": "counted"}
    return StockAdjustmentSubmitted.model_validate(body | other)


async def test_the_same_adjustment_counts_once_however_often_and_by_whichever_road(world: World) -> None:
    place, sku = await world.place(), await world.sku()
    one = submitted(sku, place, 7)
    await world.topics.say(one, copies=2)
    await world.topics.say(one)
    await world.service.settled()
    body = one.model_dump(mode="json")
    again = await world.service.http.post("/adjustments", json=body)
    assert (again.status_code, again.json()["status"]) == (200, "known")
    assert await world.level(sku, place) == (7, 0, 0)
    assert await world.kinds(one.adjustment_id) == ["counted"]
    other = await world.service.http.post("/adjustments", json=body | {"delta": 8})
    assert (other.status_code, other.json()["code"]) == (409, "id_reused")


async def test_refusals_on_the_topic_name_the_adjustment_and_what_is_wrong(world: World) -> None:
    place = await world.place()
    sku = await world.sku({place: 5})
    await world.reserved(order({sku: 3}))
    for one, field, says in (
        (submitted(sku, place, -3), "delta", "only 2 units are free"),
        (submitted(sku, place, 3, counter="unavailable"), "delta", "only 2 units are free"),
        (submitted(sku, "nowhere", 1), "place_id", "does not exist"),
        (submitted("nothing", place, 1), "sku", "not in the catalogue"),
    ):
        await world.topics.say(one)
        refused = await world.topics.expect(
            StockAdjustmentRefused, lambda it, one=one: it.adjustment_id == one.adjustment_id
        )
        assert refused.sku == one.sku
        assert [error.field for error in refused.errors] == [field]
        assert says in refused.errors[0].problem and refused.errors[0].remedy
    assert await world.level(sku, place) == (5, 3, 0)


async def test_what_was_refused_may_come_again_once_it_is_mended(world: World) -> None:
    place, sku = await world.place(), f"sku-{new_id()}"
    one = submitted(sku, place, 2)
    await world.topics.say(one)
    await world.topics.expect(StockAdjustmentRefused, lambda it: it.adjustment_id == one.adjustment_id)
    await world.service.http.put(f"/skus/{sku}", json={})
    await world.topics.say(one)
    await world.service.settled()
    assert await world.level(sku, place) == (2, 0, 0)


async def test_a_message_that_is_no_adjustment_is_answered_with_all_its_faults(world: World) -> None:
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", new_id().encode()),
        ("ce_type", b"stock.adjustment_submitted.v1"),
        ("ce_source", b"/wms"),
    ]
    key = f"broken-{new_id()}"
    body = f'{{"adjustment_id": "{key}", "sku": 17, "delta": "five", "reason": "magic"}}'.encode()
    await world.topics.raw("stock.adjustment_submitted", b"17", body, headers)
    refused = await world.topics.expect(StockAdjustmentRefused, lambda it: it.adjustment_id == key)
    assert refused.sku == "17"
    assert {error.field for error in refused.errors} == {"sku", "place_id", "delta", "reason"}


async def test_http_refusals_are_problem_documents(world: World) -> None:
    place = await world.place()
    sku = await world.sku({place: 5})
    response = await world.adjust(sku, place, -6)
    assert response.status_code == 409 and response.headers["content-type"] == "application/problem+json"
    assert (
        response.json()["code"] == "not_enough_free" and "only 5 units are free" in response.json()["detail"]
    )
    assert (await world.adjust("nothing", place, 1)).status_code == 404
    assert (await world.adjust(sku, "nowhere", 1)).json()["code"] == "unknown_place"
    faulty = await world.service.http.post("/adjustments", json={"sku": "", "delta": "x", "surprise": 1})
    assert faulty.status_code == 422
    assert {error["field"] for error in faulty.json()["errors"]} == {
        "adjustment_id",
        "sku",
        "place_id",
        "delta",
        "reason",
        "surprise",
    }


async def test_an_idempotency_key_answers_the_same_again(world: World) -> None:
    place = await world.place()
    sku = await world.sku({place: 5})
    body = {"adjustment_id": new_id(), "sku": sku, "place_id": place, "delta": 2, "reason": "found"}
    headers = {"Idempotency-Key": new_id(), "X-Actor": "ann"}
    first = await world.service.http.post("/adjustments", json=body, headers=headers)
    again = await world.service.http.post("/adjustments", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201) and first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    row = (await world.service.http.get("/ledger", params={"cause": body["adjustment_id"]})).json()["items"]
    assert [(it["actor"], it["reason"], it["on_hand"]) for it in row] == [("ann", "found", 2)]


async def test_bulk_answers_each_row_in_its_place(world: World) -> None:
    place = await world.place()
    sku = await world.sku({place: 5})

    def row(delta: object, **other: object) -> dict[str, object]:
        return {
            "adjustment_id": new_id(),
            "sku": sku,
            "place_id": place,
            "delta": delta,
            "reason": "counted",
        } | other

    twice = row(1)
    rows = [row(3), row("many"), row(-100), twice, twice, {"nonsense": True}]
    answer = (await world.service.http.post("/bulk/adjustments", json={"rows": rows})).json()
    assert [it["status"] for it in answer["results"]] == [
        "applied",
        "refused",
        "refused",
        "applied",
        "known",
        "refused",
    ]
    assert (answer["taken"], answer["refused"]) == (3, 3)
    assert [it["key"] for it in answer["results"][:5]] == [it["adjustment_id"] for it in rows[:5]]
    assert answer["results"][1]["errors"][0]["field"] == "delta"
    assert "only 8 units are free" in answer["results"][2]["errors"][0]["problem"]
    assert answer["results"][3]["level"] == {"on_hand": 9, "reserved": 0, "unavailable": 0, "available": 9}
    assert await world.level(sku, place) == (9, 0, 0)


async def test_one_id_twice_in_a_batch_stands_for_what_was_applied(world: World) -> None:
    place, sku = await world.place(), await world.sku()
    five = submitted(sku, place, 5).model_dump(mode="json")
    lacking = submitted(sku, place, -100).model_dump(mode="json")
    rows = [five, five | {"delta": 7}, lacking, lacking | {"delta": 3}]
    done = await world.service.http.post("/bulk/adjustments", json={"rows": rows})
    assert [row["status"] for row in done.json()["results"]] == ["applied", "refused", "refused", "applied"]
    assert await world.level(sku, place) == (8, 0, 0)
    for body, expected in (
        (five, 200), (five | {"delta": 7}, 409), (lacking, 409), (lacking | {"delta": 3}, 200),
    ):  # fmt: skip
        assert (await world.service.http.post("/adjustments", json=body)).status_code == expected
    assert await world.level(sku, place) == (8, 0, 0)


async def test_a_row_named_by_half_a_character_does_not_hide_the_others(world: World) -> None:
    sku = new_id()
    body = json.dumps({"rows": [{"sku": sku}, {"sku": "\ud800"}]})
    done = await world.service.http.post(
        "/bulk/skus", content=body, headers={"content-type": "application/json"}
    )
    assert done.status_code == 200
    assert [(row["key"], row["status"] == "refused") for row in done.json()["results"]] == [
        (sku, False), ("", True),
    ]  # fmt: skip
