"""The catalogue and the questions, as another system sees them."""

from base64 import urlsafe_b64encode

import pytest
from sqlalchemy.exc import DBAPIError

from shared.db.ids import new_id
from tests.component.inventory.world import World, order


async def test_put_creates_then_replaces(world: World) -> None:
    http, sku = world.service.http, f"sku {new_id()}/a"
    created = await http.put(f"/skus/{sku}", json={"title": "Mug", "weight_g": 300})
    assert (created.status_code, created.json()["status"]) == (201, "created")
    replaced = await http.put(f"/skus/{sku}", json={"title": "Cup"})
    assert (replaced.status_code, replaced.json()["status"]) == (200, "updated")
    (item,) = (await http.get("/skus", params={"prefix": sku})).json()["items"]
    assert item == {"sku": sku, "title": "Cup", "weight_g": None, "size": None}
    faulty = await http.put(f"/skus/{sku}", json={"weight_g": -1, "size": {"length_mm": 1}, "colour": "red"})
    assert faulty.status_code == 422
    assert {it["field"] for it in faulty.json()["errors"]} == {
        "weight_g",
        "size.width_mm",
        "size.height_mm",
        "colour",
    }
    place = await http.put("/places/w-1", json={"address": {"city": "Berlin"}})
    assert place.status_code == 422 and place.json()["errors"][0]["field"] == "address.country"


async def test_bulk_catalogue_takes_the_sound_rows(world: World) -> None:
    http, mark = world.service.http, new_id()
    rows = [{"sku": f"{mark}-{number}", "title": f"no. {number}"} for number in range(997)] + [
        {"sku": ""},
        {},
        {"sku": f"{mark}-0"},
    ]
    answer = (await http.post("/bulk/skus", json={"rows": rows})).json()
    assert (answer["taken"], answer["refused"]) == (998, 2)
    assert answer["results"][997]["errors"] and answer["results"][998]["errors"][0]["problem"] == "is missing"
    assert (await http.post("/bulk/skus", json={"rows": []})).status_code == 422
    assert (await http.post("/bulk/skus", json={"rows": rows + rows[:1]})).status_code == 422
    places = {
        "rows": [
            {"place_id": f"{mark}-p", "address": {"country": "BR", "region": "SP"}},
            {"place_id": f"{mark}-q"},
        ]
    }
    assert [it["status"] for it in (await http.post("/bulk/places", json=places)).json()["results"]] == [
        "created",
        "refused",
    ]
    seen, after = [], None
    while True:
        query = {"prefix": mark, "limit": 400} | ({"after": after} if after else {})
        page = (await http.get("/skus", params=query)).json()
        seen += [it["sku"] for it in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert seen == sorted(f"{mark}-{number}" for number in range(997))


async def test_places_are_listed_by_kind_and_state(world: World) -> None:
    open_, closed = await world.place(kind="store"), await world.place(kind="store", active=False)
    listed = (
        await world.service.http.get("/places", params={"kind": "store", "active": False, "limit": 1000})
    ).json()
    names = [it["place_id"] for it in listed["items"]]
    assert closed in names and open_ not in names


async def test_availability_of_several_skus_known_or_not(world: World) -> None:
    one, two = await world.place(), await world.place()
    sku = await world.sku({one: 5, two: 7})
    await world.reserved(order({sku: 6}))
    answer = (await world.service.http.get("/availability", params={"sku": [sku, "no-such-sku", sku]})).json()
    assert [(it["sku"], it["known"], it["available"]) for it in answer] == [
        (sku, True, 6),
        ("no-such-sku", False, 0),
    ]
    assert {it["place_id"]: it["available"] for it in answer[0]["places"]} == {one: 5, two: 1}
    assert (await world.service.http.get("/availability")).status_code == 422


async def test_lists_are_filtered_and_paged(world: World) -> None:
    place = await world.place()
    skus = sorted([await world.sku({place: 1}) for _ in range(5)])
    first = (await world.service.http.get("/levels", params={"place": place, "limit": 3})).json()
    rest = (await world.service.http.get("/levels", params={"place": place, "after": first["next"]})).json()
    assert [it["sku"] for it in first["items"] + rest["items"]] == skus and rest["next"] is None
    first = (await world.service.http.get("/ledger", params={"place": place, "limit": 2})).json()
    rest = (await world.service.http.get("/ledger", params={"place": place, "after": first["next"]})).json()
    ids = [it["id"] for it in first["items"] + rest["items"]]
    assert len(ids) == 5 and ids == sorted(ids, reverse=True)
    wrong = await world.service.http.get("/ledger", params={"after": "WzFd-x"})
    assert wrong.status_code == 422 and wrong.json()["errors"][0]["field"] == "query.after"


async def test_what_is_not_there_is_a_404(world: World) -> None:
    response = await world.service.http.get(f"/reservations/{new_id()}")
    assert response.status_code == 404 and "nothing was heard" in response.json()["detail"]


async def test_nobody_can_change_the_ledger(world: World) -> None:
    for statement in ("UPDATE ledger SET on_hand = 1", "DELETE FROM ledger", "TRUNCATE ledger"):
        with pytest.raises(DBAPIError, match="append-only"):
            await world.service.rows(statement)


@pytest.mark.parametrize(
    ("path", "token"),
    [
        ("/ledger", b"[1" + b"0" * 30 + b"]"),
        ("/ledger", b"[9223372036854775808]"),
        ("/ledger", b"[true]"),
        ("/levels", b'["a\\u0000b","c"]'),
        ("/levels", b'["\\ud800","c"]'),
        ("/skus", b"[" * 700),
        ("/skus", b"null"),
        ("/places", b"\xff"),
    ],
)
async def test_a_page_after_a_forged_token_is_a_faulty_field(world: World, path: str, token: bytes) -> None:
    answer = await world.service.http.get(path, params={"after": urlsafe_b64encode(token).decode()})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "query.after")
