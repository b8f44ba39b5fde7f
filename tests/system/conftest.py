"""One running suite for all scenarios: five real processes on databases and topics of their own."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from deploy.demo.mailbox import Mailbox
from deploy.demo.quiet import Quiet
from deploy.demo.services import Http
from deploy.local import Platform
from deploy.local.services import Services
from deploy.local.settings import SERVICES
from deploy.local.topics import apply
from shared.contracts.registry import MODELS, OWNERS
from tests.harness.otlp import Sink
from tests.system.suite import PLACES, Suite, Voice

HEARD = [model for model in MODELS.values() if OWNERS[model.topic] in SERVICES]


def surroundings(mailbox: Mailbox, sink: Sink) -> dict[str, str]:
    """Settings in which the suite under test differs from production: short deadlines, everything traced."""
    return {
        "OMS_ORDERS_PAYMENT_SECONDS": "8",
        "OMS_ORDERS_DEADLINE_POLL_SECONDS": "0.2",
        "OMS_ORDERS_PROGRESS_SECONDS": "0.2",
        "OMS_NOTIFICATIONS_SMTP_PORT": str(mailbox.port),
        "OMS_NOTIFICATIONS_SMTP_PER_SECOND": "0",
        "OMS_OTLP_ENDPOINT": sink.endpoint,
        "OMS_TRACE_RATIO": "1",
    }


@dataclass(frozen=True)
class Processes:
    """What runs outside the test process, and what it talks to inside."""

    services: Services
    databases: dict[str, str]
    prefix: str
    mailbox: Mailbox
    sink: Sink


@pytest.fixture(scope="session")
def processes(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """The five processes, a mail server and a collector of traces."""
    prefix = f"s{secrets.token_hex(4)}."
    databases = {name: platform.create_database(f"system_{name}") for name in SERVICES}
    apply(platform.kafka, prefix=prefix)
    with Sink() as sink, Mailbox(tmp_path_factory.mktemp("mails")) as mailbox:
        extra = surroundings(mailbox, sink)
        services = Services(
            platform, topic_prefix=prefix, any_port=True, extra=extra, database_urls=databases
        )
        try:
            services.start()
            yield Processes(services, databases, prefix, mailbox, sink)
        finally:
            services.stop()


@pytest.fixture(scope="session")
async def suite(platform: Platform, processes: Processes) -> AsyncIterator[Suite]:
    """Everything running, two places known, every message heard from the beginning."""
    databases, prefix = processes.databases, processes.prefix
    async with (
        Quiet(databases, platform.kafka, prefix) as quiet,
        Http({name: processes.services.url(name) for name in SERVICES}) as http,
    ):
        running = Suite(http, quiet, databases, processes.mailbox, processes.sink)
        running.topics = Voice(platform.kafka, prefix, HEARD, running.hear)
        running.topics.spoken = []
        await running.topics.start()
        listening = asyncio.create_task(running.topics.listen())
        rows = [{"place_id": place, "address": address} for place, address in PLACES.items()]
        await http.must_post("inventory", "/bulk/places", {"rows": rows})
        yield running
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await running.topics.stop()
