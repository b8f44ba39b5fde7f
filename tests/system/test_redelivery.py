"""At least once on the wire, exactly once in effect: everything is said again, and nothing happens again."""

import pytest

from shared.contracts.orders import OrderCompleted, PaymentRefundRequested, RefundIssued
from tests.harness.service import until
from tests.system.suite import Placed, Suite
from tests.system.test_scenarios import send_back

pytestmark = [pytest.mark.platform, pytest.mark.timeout(300)]


async def life(suite: Suite) -> Placed:
    """An order that is placed, paid, shipped, delivered, and of which a part comes back."""
    sku = await suite.article(north=3)
    order = await suite.order((sku, 3, 1000))
    await order.deliver(*await order.parcels())
    await order.expect(OrderCompleted)
    await send_back(suite, order, 1, "first")
    await order.expect(RefundIssued)
    await suite.settled()
    return order


async def test_an_order_of_which_every_message_comes_again_stays_as_it_is(suite: Suite) -> None:
    order = await life(suite)
    before = await order.look()
    mails = [mail.message_id for mail in suite.mails_to(order)]
    about = [heard for heard in suite.heard if getattr(heard.event, "order_id", None) == order.order_id]
    ids = {heard.headers["ce_id"] for heard in about}
    # Last first, so that every message comes at the wrong time as well.
    for heard in reversed(about):
        body = heard.event.model_dump_json(exclude_none=True).encode()
        await suite.topics.say_headers(heard.event.topic, heard.event.key(), body, heard.headers)
    await until(
        lambda: sum(heard.headers["ce_id"] in ids for heard in suite.heard) == 2 * len(about),
        "all came again",
    )
    await suite.proves_true()
    again = {h.headers["ce_id"] for h in suite.heard if getattr(h.event, "order_id", None) == order.order_id}
    assert again == ids, "something was said anew"
    assert await order.look() == before
    assert [mail.message_id for mail in suite.mails_to(order)] == mails


async def test_everything_other_systems_say_may_come_under_new_ids(suite: Suite) -> None:
    """Senders that do not repeat their message ids: business keys hold where the inbox cannot know."""
    order = await life(suite)
    before = await order.look()
    said = [entry for entry in suite.spoken if entry.concerns(order)]
    assert {entry.topic for entry in said} >= {
        "payment.authorized",
        "payment.captured",
        "shipment.tracking_submitted",
    }
    for number, entry in enumerate(reversed(said)):
        await suite.topics.say_headers(
            entry.topic, entry.key, entry.body, entry.headers | {"ce_id": f"new-{number}-{entry.key}"}
        )
    answer = await suite.http.post("orders", "/orders", order.body)
    assert (answer.status, answer.body["order_id"]) == (200, order.order_id)
    await send_back(suite, order, 1, "first")
    await suite.proves_true()
    after = await order.look()
    for name in ("state", "captured", "refunds", "payments", "shipments", "returns"):
        assert after[name] == before[name], name
    assert len(order.said(PaymentRefundRequested)) == 1
