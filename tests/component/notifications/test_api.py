"""What support people see over HTTP."""

from deploy.demo.mailbox import Mailbox
from deploy.local import Platform
from tests.component.notifications.conftest import Notifying
from tests.component.notifications.events import Order
from tests.harness.service import Running, until, wire


async def ended(service: Running, count: int) -> None:
    async def reached() -> bool:
        rows = await service.rows("SELECT count(*) AS n FROM deliveries WHERE state IN ('sent', 'skipped')")
        return bool(rows[0]["n"] == count)

    await until(reached, f"{count} deliveries ended")


async def test_deliveries_are_found_by_order_and_state_page_by_page(
    platform: Platform, topic_prefix: str, mailbox: Mailbox, notifying: Notifying
) -> None:
    order, other, unreachable = Order(locale="pt_BR"), Order(), Order().without_address()
    async with notifying() as service, wire(platform, topic_prefix) as topics:
        for each in (order, other, unreachable):
            await topics.say(each.placed())
            await topics.say(each.confirmed())
        for event in (order.dispatched(), order.delivered(), order.refunded()):
            await topics.say(event)
        await ended(service, 6)

        seen, after = [], None
        while True:
            parameters = {"order_id": order.id, "limit": 3} | ({"after": after} if after else {})
            page = (await service.http.get("/deliveries", params=parameters)).json()
            seen += [item["template"] for item in page["items"]]
            after = page["next"]
            if after is None:
                break
        assert sorted(seen) == [
            "order_confirmed",
            "refund_issued",
            "shipment_delivered",
            "shipment_dispatched",
        ]

        (skipped,) = (await service.http.get("/deliveries", params={"state": "skipped"})).json()["items"]
        assert skipped["order_id"] == unreachable.id

        listed = (await service.http.get("/deliveries", params={"template": "refund_issued"})).json()["items"]
        detail = (await service.http.get(f"/deliveries/{listed[0]['delivery_id']}")).json()
        page = await service.http.get(f"/deliveries/{listed[0]['delivery_id']}/html")
        faulty = await service.http.get("/deliveries", params={"state": "lost", "limit": 0})
        unknown = await service.http.get("/deliveries/nothing")
    assert detail["content"]["subject"].startswith("Devolvemos € 10,50")
    assert detail["recipient"] == order.email
    assert "€\xa010,50" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert faulty.status_code == 422
    assert {error["field"] for error in faulty.json()["errors"]} == {"query.state", "query.limit"}
    assert (unknown.status_code, unknown.headers["content-type"]) == (404, "application/problem+json")


async def test_resending_under_a_key_counts_once(
    platform: Platform, topic_prefix: str, mailbox: Mailbox, notifying: Notifying
) -> None:
    order = Order()
    async with notifying() as service, wire(platform, topic_prefix) as topics:
        await topics.say(order.placed())
        await topics.say(order.confirmed())
        await ended(service, 1)
        (delivery,) = (await service.http.get("/deliveries")).json()["items"]
        path, key = f"/deliveries/{delivery['delivery_id']}/resend", {"Idempotency-Key": "again-1"}
        first = await service.http.post(path, headers=key)
        await until(lambda: len(mailbox.messages()) == 2, "it came again")
        await ended(service, 1)
        second = await service.http.post(path, headers=key)
        unknown = await service.http.post("/deliveries/nothing/resend")
        detail = (await service.http.get(f"/deliveries/{delivery['delivery_id']}")).json()
    assert (first.status_code, first.json()["sending"]) == (202, 2)
    assert second.json() == first.json()
    assert detail["sending"] == 2
    assert unknown.status_code == 404
    assert len(mailbox.messages()) == mailbox.distinct() == 2


async def test_templates_can_be_looked_at_before_anybody_gets_them(
    platform: Platform, topic_prefix: str, notifying: Notifying
) -> None:
    async with notifying(roles=("api",)) as service:
        templates = (await service.http.get("/templates")).json()
        for template in templates:
            for language in template["languages"]:
                path = f"/templates/{template['template']}/preview"
                answer = (await service.http.get(path, params={"locale": language})).json()
                assert answer["language"] == language
                assert answer["subject"]
        page = await service.http.get("/templates/order_confirmed/preview/html", params={"locale": "de_AT"})
        unknown = await service.http.get("/templates/nothing/preview")
    assert len(templates) == 7
    assert "Ihre Bestellung ist bestätigt" in page.text
    assert unknown.status_code == 404
