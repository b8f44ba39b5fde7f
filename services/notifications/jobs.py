"""Timed work: sending what is due, measuring what is not sent yet, forgetting what is old.

Sending holds no database transaction while the mail server is asked: claim (a transaction), send, settle
(transactions). A process that dies in between leaves its claim behind; when that ends the mails are sent
again under the same Message-IDs.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from datetime import timedelta

import structlog

from services.notifications.domain.mail import Accepted, Answer, Deferred, Mail, Refused, Unsent
from services.notifications.handlers.claim_deliveries import Claimed, claim_deliveries
from services.notifications.handlers.settle_deliveries import Attempt, settle_deliveries
from services.notifications.ports import Line, MailServerAway, Ports, Unrenderable
from services.notifications.settings import Settings
from services.notifications.store import Store
from shared.messaging.retry import backoff, transient
from shared.runtime.service import Job, Service

log = structlog.get_logger(__name__)

Notifications = Service[Store, Settings]

_PURGED_AT_ONCE = 1000
_FAREWELL_SECONDS = 10.0
_GATHER_SECONDS = 0.1
"""Answers of this long are written down together: a crash repeats these mails, a shorter time costs more CPU."""
_NOT_BEGUN = "not begun within its claim"


async def send_due(service: Notifications) -> int:
    """Send one batch of what is due; returns how many mails were tried.

    Raises MailServerAway when the server does not serve us; the runtime calls again, with growing pauses.
    """
    try:
        return await _send_due(service)
    except MailServerAway as error:
        log.warning("the mail server does not serve us", reason=str(error))
        raise


async def _send_due(service: Notifications) -> int:
    async with service.read() as store:
        if not await store.deliveries.any_due():
            return 0
    ports: Ports = service.ports
    async with AsyncExitStack() as stack:
        # Before anything is claimed, so that a server that is away costs the mails nothing.
        lines = [await stack.enter_async_context(ports.mailer.connect())]
        async with service.transaction() as tx:
            claimed = await claim_deliveries(tx)
        for _ in range(min(service.settings.smtp_connections, len(claimed)) - 1):
            # A server may allow fewer connections than we would like; one is enough.
            with suppress(MailServerAway):
                lines.append(await stack.enter_async_context(ports.mailer.connect()))
        return await _Batch(service, claimed, lines).send()


class _Batch:
    """Mails on their way: one task per connection sends, while what was answered so far is written down."""

    def __init__(self, service: Notifications, claimed: list[Claimed], lines: list[Line]) -> None:
        self._service = service
        self._ports: Ports = service.ports
        self._lines = lines
        self._claimed = claimed
        self._next: Iterator[Claimed] = iter(claimed)
        self._started = time.monotonic()
        self._claim_ends = self._started + service.settings.claim_seconds
        # Half the claim is for beginning; the settings see to it that the other half is enough for ending.
        self._begin_until = self._started + service.settings.claim_seconds / 2
        self._answered: list[Attempt] = []
        self._news = asyncio.Event()
        self._fault: str | None = None

    async def send(self) -> int:
        """Send all and write all answers down; raises MailServerAway if the server stopped serving us."""
        workers = asyncio.gather(*(self._work(line) for line in self._lines), return_exceptions=True)
        workers.add_done_callback(lambda _: self._news.set())
        try:
            while not workers.done():
                await self._news.wait()
                self._news.clear()
                await asyncio.wait([workers], timeout=_GATHER_SECONDS)
                await self._settle()
        finally:
            # Also when the process stops: end the mails under way, keep what was taken, release the rest.
            self._begin_until = 0.0
            with suppress(TimeoutError):
                await asyncio.wait_for(workers, _FAREWELL_SECONDS)
            await self._release()
        for ended in workers.result():
            if isinstance(ended, BaseException):
                raise ended
        if self._fault is not None:
            raise MailServerAway(self._fault)
        return len(self._claimed)

    async def _work(self, line: Line) -> None:
        for claimed in self._next:
            await asyncio.sleep(self._started + claimed.wait.total_seconds() - time.monotonic())
            if self._fault is not None or time.monotonic() > self._begin_until:
                self._answer(claimed, Unsent(_NOT_BEGUN))
                return
            answer = await self._send(claimed, line)
            self._answer(claimed, answer)
            if isinstance(answer, Unsent):
                self._fault = answer.reason
                return

    async def _send(self, claimed: Claimed, line: Line) -> Answer:
        delivery, contact = claimed.delivery, claimed.contact
        try:
            content = self._ports.renderer.render(delivery.template, contact, delivery.data)
            domain = self._service.settings.sender.rpartition("@")[2]
            return await line.send(
                Mail(delivery.message_id(domain), delivery.recipient, contact.name, content)
            )
        except Unrenderable as error:
            log.exception("mail cannot be rendered", delivery_id=delivery.delivery_id)
            return Refused(f"cannot be rendered: {error}", "unrenderable")
        except Exception as error:
            # A fault of ours: it must not hold up the mails behind this one.
            log.exception("mail cannot be sent", delivery_id=delivery.delivery_id)
            return Deferred(f"our own fault: {type(error).__name__}")

    def _answer(self, claimed: Claimed, answer: Answer) -> None:
        delivery = claimed.delivery
        self._answered.append(Attempt(delivery.delivery_id, delivery.sending, delivery.attempts, answer))
        self._news.set()

    async def _release(self) -> None:
        for claimed in self._next:
            self._answer(claimed, Unsent(_NOT_BEGUN))
        await self._settle()

    async def _settle(self) -> None:
        """Write down what was answered; keeps trying while the claim lasts, because mails were taken meanwhile."""
        pauses = backoff()
        while self._answered:
            attempts, self._answered = self._answered, []
            try:
                async with self._service.transaction() as tx:
                    await settle_deliveries(attempts, tx)
                self._count(attempts)
            except BaseException as error:
                self._answered = attempts + self._answered
                if transient(error) is None or time.monotonic() > self._claim_ends:
                    raise
                await asyncio.sleep(next(pauses))

    def _count(self, attempts: list[Attempt]) -> None:
        help_text = "Attempts to tell people, by what came of them"
        outcomes = self._service.metrics.counter("notifications_total", help_text, ("channel", "outcome"))
        for attempt in attempts:
            outcomes.labels("email", _OUTCOMES[type(attempt.answer)]).inc()


_OUTCOMES: dict[type[Answer], str] = {
    Accepted: "sent", Refused: "refused", Deferred: "deferred", Unsent: "unsent",
}  # fmt: skip


async def measure_backlog(service: Notifications) -> int:
    """How much is not sent yet, and for how long."""
    async with service.read() as store:
        backlog = await store.deliveries.backlog()
    count = service.metrics.gauge("notifications_backlog", "Deliveries not ended", ("state",))
    age = service.metrics.gauge("notifications_oldest_seconds", "Age of the oldest of them", ("state",))
    for state, (deliveries, oldest) in backlog.items():
        count.labels(state).set(deliveries)
        age.labels(state).set(oldest)
    return 0


async def purge(service: Notifications) -> int:
    """Forget whom we told what: personal data is kept for a limited time."""
    age = timedelta(days=service.settings.keep_days)
    async with service.transaction() as tx:
        deliveries = await tx.store.deliveries.purge(age, _PURGED_AT_ONCE)
        contacts = await tx.store.contacts.purge(age, _PURGED_AT_ONCE)
    return deliveries + contacts


JOBS = (
    Job("send", 1.0, send_due),
    Job("measure-backlog", 15.0, measure_backlog, rest=100),
    Job("purge", 3600.0, purge),
)
