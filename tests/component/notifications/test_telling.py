"""What happens to an order is told once to the one who placed it."""

import asyncio
from collections import Counter

from deploy.demo.mailbox import Mailbox
from deploy.local import Platform
from shared.contracts.notifications import NotificationSent
from shared.telemetry.tracing import same_trace
from tests.component.notifications.conftest import Notifying
from tests.component.notifications.events import Order
from tests.harness.service import Running, until, wire

DELIVERIES = "SELECT * FROM deliveries WHERE order_id = :order_id ORDER BY delivery_id"


def mails_to(mailbox: Mailbox, order: Order) -> list[str]:
    return sorted(mail.subject for mail in mailbox.messages() if mail.recipient == order.email)


async def ended(service: Running, order: Order, count: int) -> list[dict[str, object]]:
    """The order's deliveries once there are `count` and none is still to be sent."""

    async def found() -> list[dict[str, object]] | None:
        rows = await service.rows(DELIVERIES, order_id=order.id)
        done = len(rows) == count and not {row["state"] for row in rows} & {"queued", "waiting"}
        return rows if done else None

    return await until(found, f"{count} deliveries of the order ended")


async def test_every_event_people_care_about_becomes_one_mail_however_often_it_is_said(
    platform: Platform, topic_prefix: str, mailbox: Mailbox, notifying: Notifying
) -> None:
    order = Order()
    story = [
        order.placed(), order.confirmed(), order.dispatched(), order.delivered(), order.cancelled(),
        order.return_authorized(), order.return_authorized("returned_to_sender"), order.refunded(),
    ]  # fmt: skip
    async with notifying() as service, wire(platform, topic_prefix) as topics:
        for event in story:
            await topics.say(event, copies=2)  # the same message twice
            await topics.say(event)  # the same thing in another message
        await topics.say(order.refunded(0))  # closes a return, and is no news for people
        sent = await topics.expect(NotificationSent, lambda event: event.order_id == order.id, count=7)
        await service.settled()
        await ended(service, order, 7)
        for event in story:
            await topics.say(event)  # and again, after the mails went out
        await service.settled()
        rows = await ended(service, order, 7)

    assert {row["state"] for row in rows} == {"sent"}
    assert Counter(row["template"] for row in rows) == Counter(
        ["order_confirmed", "shipment_dispatched", "shipment_delivered", "order_cancelled", "return_authorized",
         "parcel_returned", "refund_issued"]
    )  # fmt: skip
    assert {event.delivery_id for event in sent} == {row["delivery_id"] for row in rows}
    assert len(mails_to(mailbox, order)) == 7
    assert mailbox.distinct() == 7


async def test_the_mail_speaks_the_customers_language_and_carries_its_order(
    platform: Platform, topic_prefix: str, mailbox: Mailbox, notifying: Notifying
) -> None:
    order = Order(locale="de_DE", name="Jürgen Groß")
    async with notifying(shop_name="Tassen & Co") as service, wire(platform, topic_prefix) as topics:
        await topics.say(order.placed())
        await topics.say(order.confirmed())
        (row,) = await ended(service, order, 1)
    (kept,) = mailbox.messages()
    mail = mailbox.read(kept)
    text = mail.get_body(("plain",)).get_content()
    html = mail.get_body(("html",)).get_content()
    assert mail["Message-ID"] == f"<{row['delivery_id']}@localhost>"
    assert mail["To"].addresses[0].display_name == "Jürgen Groß"
    assert mail["Subject"] == f"Ihre Bestellung {order.placed().external_id} ist bestätigt"
    assert mail["Content-Language"] == "de"
    assert "2 x Blue cup: 21,00\xa0€" in text
    assert "Gesamtbetrag: 25,00\xa0€" in text
    assert "4. März 2026" in text
    assert "Tassen &amp; Co" in html


async def test_what_comes_before_its_contact_waits_for_it(
    platform: Platform, topic_prefix: str, mailbox: Mailbox, notifying: Notifying
) -> None:
    order = Order()
    trace = "00-5bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with notifying() as service, wire(platform, topic_prefix) as topics:
        await topics.say(order.dispatched(), traceparent=trace)
        await topics.say(order.confirmed(), traceparent=trace)
        await service.settled()
        waiting = await service.rows(DELIVERIES, order_id=order.id)
        assert [(row["state"], row["recipient"]) for row in waiting] == [("waiting", "")] * 2
        assert mails_to(mailbox, order) == []

        await topics.say(order.placed(), traceparent=trace)
        rows = await ended(service, order, 2)
        said = await topics.expect(NotificationSent, lambda event: event.order_id == order.id, count=2)

    assert {row["state"] for row in rows} == {"sent"}
    assert len(mails_to(mailbox, order)) == 2
    headers = [headers for event, headers in zip(topics.heard, topics.headers, strict=True) if event in said]
    assert all(same_trace(header["traceparent"], trace) for header in headers)


async def test_events_and_contacts_that_race_meet(
    platform: Platform, topic_prefix: str, mailbox: Mailbox, notifying: Notifying
) -> None:
    orders = [Order() for _ in range(60)]
    async with notifying() as service, wire(platform, topic_prefix) as topics:
        told = (event for order in orders for event in (order.confirmed(), order.placed(), order.delivered()))
        await asyncio.gather(*(topics.say(event) for event in told))
        await service.settled()
        await until(lambda: len(mailbox.messages()) >= 120, "all mails came")
        ids = {order.id for order in orders}
        await topics.expect(NotificationSent, lambda event: event.order_id in ids, count=120)
    assert {len(mails_to(mailbox, order)) for order in orders} == {2}


async def test_a_customer_without_an_address_is_skipped_and_the_row_says_so(
    platform: Platform, topic_prefix: str, mailbox: Mailbox, notifying: Notifying
) -> None:
    order = Order().without_address()
    async with notifying() as service, wire(platform, topic_prefix) as topics:
        await topics.say(order.placed())
        await topics.say(order.confirmed())
        (row,) = await ended(service, order, 1)
        answer = await service.http.post(f"/deliveries/{row['delivery_id']}/resend")
    assert (row["state"], row["reason"]) == ("skipped", "no address")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_recipient")
    assert mailbox.messages() == []


async def test_hostile_names_stay_text(
    platform: Platform, topic_prefix: str, mailbox: Mailbox, notifying: Notifying
) -> None:
    name = "{{ 7*7 }}\u2028Bcc: all@evil.example <b>x</b>"
    order = Order(name=name)
    async with notifying() as service, wire(platform, topic_prefix) as topics:
        await topics.say(order.placed())
        await topics.say(order.confirmed())
        await ended(service, order, 1)
    (kept,) = mailbox.messages()
    mail = mailbox.read(kept)
    assert mail["Bcc"] is None
    assert kept.recipient == order.email
    assert "{{ 7*7 }} Bcc: all@evil.example <b>x</b>" in mail.get_body(("plain",)).get_content()
    assert "{{ 7*7 }} Bcc: all@evil.example &lt;b&gt;x&lt;/b&gt;" in mail.get_body(("html",)).get_content()
