"""Mails go out whatever the mail server does, and never in silence."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import Any

from deploy.demo.mailbox import Kept, Mailbox
from deploy.local import Platform
from shared.contracts.notifications import NotificationFailed, NotificationSent
from tests.component.notifications.conftest import Notifying
from tests.component.notifications.events import Order
from tests.harness.service import Running, Wire, until, wire


async def tell(topics: Wire, orders: list[Order]) -> None:
    for order in orders:
        await topics.say(order.placed())
        await topics.say(order.confirmed())


async def states(service: Running) -> Counter[str]:
    rows = await service.rows("SELECT state, count(*) AS n FROM deliveries GROUP BY state")
    return Counter({row["state"]: row["n"] for row in rows})


async def all_are(service: Running, **expected: int) -> None:
    async def reached() -> bool:
        return await states(service) == Counter(expected)

    await until(reached, f"deliveries are {expected}")


async def test_a_mail_server_that_is_away_delays_mails_and_loses_none(
    platform: Platform, topic_prefix: str, mailbox: Mailbox, notifying: Notifying
) -> None:
    orders = [Order() for _ in range(20)]
    mailbox.stop()
    async with notifying() as service, wire(platform, topic_prefix) as topics:
        await tell(topics, orders)
        await service.settled()
        away = service.service.metrics.counter("notifications_total", _HELP, ("channel", "outcome"))
        await all_are(service, queued=20)
        assert away.labels("email", "sent")._value.get() == 0
        rows = await service.rows("SELECT attempts FROM deliveries")
        assert {row["attempts"] for row in rows} == {0}  # an absent server costs a mail nothing

        mailbox.start()
        await all_are(service, sent=20)
    assert mailbox.distinct() == len(mailbox.messages()) == 20


async def test_a_server_that_goes_away_in_the_middle_of_a_batch_gets_the_rest_later(
    platform: Platform, topic_prefix: str, mailbox: Mailbox, notifying: Notifying
) -> None:
    orders = [Order() for _ in range(30)]
    mailbox.taken = lambda _: "421 4.3.2 closing" if len(mailbox.messages()) == 5 else None
    async with notifying(smtp_connections=1) as service, wire(platform, topic_prefix) as topics:
        await tell(topics, orders)
        await all_are(service, sent=30)
    # The fifth was kept although its sender was told otherwise: it came again under the same Message-ID.
    assert mailbox.distinct() == 30
    assert len(mailbox.messages()) == 31


async def test_a_mail_that_is_refused_for_good_fails_at_once_and_a_person_may_send_it_again(
    platform: Platform, topic_prefix: str, mailbox: Mailbox, notifying: Notifying
) -> None:
    wrong, right = Order(), Order()
    mailbox.refuse = lambda address: f"550 5.1.1 <{address}> unknown" if address == wrong.email else None
    async with notifying() as service, wire(platform, topic_prefix) as topics:
        await tell(topics, [wrong, right])
        await all_are(service, sent=1, failed=1)
        failed: Any = await topics.expect(NotificationFailed, lambda event: event.order_id == wrong.id)
        assert failed.reason == "refused: 550 5.1.1"  # nobody's address

        (found,) = (await service.http.get("/deliveries", params={"state": "failed"})).json()["items"]
        assert found["attempts"] == 1
        assert wrong.email in found["reason"]

        mailbox.refuse = None
        for _ in range(2):
            answer = await service.http.post(f"/deliveries/{failed.delivery_id}/resend")
            assert answer.status_code == 202
        await all_are(service, sent=2)
        await topics.expect(NotificationSent, lambda event: event.delivery_id == failed.delivery_id)
    (mail,) = [mail for mail in mailbox.messages() if mail.recipient == wrong.email]
    assert mail.message_id == f"<{failed.delivery_id}.2@localhost>"


async def test_a_mail_that_is_put_off_is_tried_again_until_patience_ends(
    platform: Platform, topic_prefix: str, mailbox: Mailbox, notifying: Notifying
) -> None:
    slow, never = Order(), Order()
    tries: Counter[str] = Counter()

    def refuse(address: str) -> str | None:
        tries[address] += 1
        return "451 4.7.1 try later" if address == never.email or tries[address] < 3 else None

    mailbox.refuse = refuse
    async with notifying(give_up_hours=5 / 3600) as service, wire(platform, topic_prefix) as topics:
        await tell(topics, [slow, never])
        await all_are(service, sent=1, failed=1)
        failed: Any = await topics.expect(NotificationFailed, lambda event: event.order_id == never.id)
    assert failed.reason == "given up: not taken in time"
    assert tries[slow.email] == 3
    assert tries[never.email] >= 3


async def test_the_rate_limit_holds_for_all_processes_together(
    platform: Platform, topic_prefix: str, mailbox: Mailbox, notifying: Notifying
) -> None:
    orders = [Order() for _ in range(60)]
    url = platform.create_database("notifications")
    limited = {"database_url": url, "smtp_per_second": 20}
    async with notifying(**limited, roles=("consumer",)) as first, wire(platform, topic_prefix) as topics:
        await tell(topics, orders)
        await all_are(first, queued=60)
        came: list[float] = []
        mailbox.taken = lambda _: came.append(time.monotonic())
        began = time.monotonic()
        async with notifying(**limited, roles=("jobs",)), notifying(**limited, roles=("jobs",)):
            await all_are(first, sent=60)
    # 50 ms for each mail before it: a slow machine makes them later and never earlier. Each process for itself would be
    # twice as fast.
    for number, moment in enumerate(sorted(came)):
        assert moment - began > 0.05 * number


async def test_several_senders_share_the_work_and_send_nothing_twice(
    platform: Platform, topic_prefix: str, mailbox: Mailbox, notifying: Notifying
) -> None:
    orders = [Order() for _ in range(200)]
    url = platform.create_database("notifications")
    jobs = {"database_url": url, "roles": ("jobs",), "send_batch": 10}
    async with (
        notifying(database_url=url, roles=("consumer", "relay")) as hearing,
        wire(platform, topic_prefix) as topics,
    ):
        await tell(topics, orders)
        await all_are(hearing, queued=200)
        async with notifying(**jobs) as one, notifying(**jobs) as two:
            await all_are(hearing, sent=200)
        shares = [
            service.service.metrics.counter("notifications_total", _HELP, ("channel", "outcome"))
            .labels("email", "sent")
            ._value.get()
            for service in (one, two)
        ]
        ids = {order.id for order in orders}
        said = await topics.expect(NotificationSent, lambda event: event.order_id in ids, count=200)
    assert len(said) == 200
    assert len(mailbox.messages()) == mailbox.distinct() == 200
    assert sum(shares) == 200
    assert min(shares) > 0


async def test_a_sender_killed_after_the_server_took_a_mail_sends_it_again_under_the_same_message_id(
    platform: Platform, topic_prefix: str, mailbox: Mailbox, notifying: Notifying
) -> None:
    orders = [Order() for _ in range(10)]
    url = platform.create_database("notifications")
    async with (
        notifying(database_url=url, roles=("consumer", "relay")) as hearing,
        wire(platform, topic_prefix) as topics,
    ):
        await tell(topics, orders)
        await all_are(hearing, queued=10)

        doomed = _sender_process(url, platform.kafka, topic_prefix, mailbox.port)
        killed: list[Kept] = []

        def kill(kept: Kept) -> None:
            if not killed:
                killed.append(kept)
                os.kill(doomed.pid, signal.SIGKILL)
                doomed.wait()

        mailbox.taken = kill
        await until(lambda: killed, "the first mail was taken")
        assert (await states(hearing))["sent"] < 10

        async with notifying(database_url=url, roles=("jobs",)):
            await all_are(hearing, sent=10)
    assert mailbox.distinct() == 10
    copies = Counter(mail.message_id for mail in mailbox.messages())
    assert copies[killed[0].message_id] == 2


def _sender_process(url: str, kafka: str, prefix: str, smtp_port: int) -> "subprocess.Popen[bytes]":
    settings = {
        "DATABASE_URL": url, "KAFKA": kafka, "TOPIC_PREFIX": prefix, "HTTP_PORT": "0", "SMTP_PORT": str(smtp_port),
        "SMTP_PER_SECOND": "0", "SMTP_TIMEOUT_SECONDS": "0.5", "CLAIM_SECONDS": "4", "SMTP_CONNECTIONS": "1",
    }  # fmt: skip
    environment = os.environ | {f"OMS_NOTIFICATIONS_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "services.notifications", "run", "--roles", "jobs"]
    return subprocess.Popen(command, env=environment)


async def test_a_sender_that_is_stopped_releases_what_it_has_not_begun(
    platform: Platform, topic_prefix: str, mailbox: Mailbox, notifying: Notifying
) -> None:
    orders = [Order() for _ in range(50)]
    url = platform.create_database("notifications")
    async with (
        notifying(database_url=url, roles=("consumer",)) as hearing,
        wire(platform, topic_prefix) as topics,
    ):
        await tell(topics, orders)
        await all_are(hearing, queued=50)
        async with notifying(database_url=url, roles=("jobs",), smtp_connections=1, smtp_per_second=10):
            await until(lambda: len(mailbox.messages()) >= 3, "some mails were sent")
        rows = await hearing.rows("SELECT state, attempts FROM deliveries")
        async with notifying(database_url=url, roles=("jobs",)):
            await all_are(hearing, sent=50)
    stopped = Counter((row["state"], row["attempts"]) for row in rows)
    assert stopped[("sent", 1)] == len([row for row in rows if row["state"] == "sent"]) >= 3
    assert stopped[("queued", 0)] == 50 - stopped[("sent", 1)]
    assert len(mailbox.messages()) == mailbox.distinct() == 50


async def test_a_mail_that_cannot_be_made_does_not_hold_up_the_others(
    platform: Platform, topic_prefix: str, mailbox: Mailbox, notifying: Notifying
) -> None:
    broken, odd, fine = Order(), Order(email="a..b@customers.example"), Order()
    url = platform.create_database("notifications")
    async with (
        notifying(database_url=url, roles=("consumer", "relay")) as hearing,
        wire(platform, topic_prefix) as topics,
    ):
        await tell(topics, [broken, odd, fine])
        await all_are(hearing, queued=3)
        await hearing.rows("UPDATE deliveries SET data = '{}' WHERE order_id = :order", order=broken.id)
        async with notifying(database_url=url, roles=("jobs",)):
            await all_are(hearing, sent=1, failed=2)
        failed: Any = await topics.expect(NotificationFailed, lambda event: event.order_id == broken.id)
        refused: Any = await topics.expect(NotificationFailed, lambda event: event.order_id == odd.id)
    assert failed.reason == "refused: unrenderable"
    assert refused.reason == "refused: bad address"
    assert [mail.recipient for mail in mailbox.messages()] == [fine.email]


_HELP = "Attempts to tell people, by what came of them"
