"""One running suite for all scenarios: five real processes on databases and topics of their own."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.demo.mailbox import Mailbox
from deploy.demo.quiet import Quiet
from deploy.demo.services import Http
from deploy.demo.topics import Topics
from deploy.local import Platform
from deploy.local.services import Services
from deploy.local.settings import SERVICES
from deploy.local.topics import apply
from shared.contracts.registry import MODELS, OWNERS
from tests.harness.otlp import Sink
from tests.system.suite import PLACES, Suite

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


@pytest.fixture(scope="session")
async def suite(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Suite]:
    """Everything running, two places known, every message heard from the beginning."""
    mails: Path = tmp_path_factory.mktemp("mails")
    prefix = f"s{secrets.token_hex(4)}."
    databases = {name: platform.create_database(f"system_{name}") for name in SERVICES}
    with Sink() as sink, Mailbox(mails) as mailbox:
        services = Services(
            platform,
            topic_prefix=prefix,
            any_port=True,
            extra=surroundings(mailbox, sink),
            database_urls=databases,
        )
        await asyncio.to_thread(apply, platform.kafka, prefix=prefix)
        await asyncio.to_thread(services.start)
        http = Http({name: services.url(name) for name in SERVICES})
        running = Suite(http, Quiet(databases, platform.kafka, prefix), databases, mailbox, sink)
        running.topics = Topics(platform.kafka, prefix, HEARD, running.hear)
        await running.topics.start()
        listening = asyncio.create_task(running.topics.listen())
        rows = [{"place_id": place, "address": address} for place, address in PLACES.items()]
        await http.must_post("inventory", "/bulk/places", {"rows": rows})
        yield running
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await running.topics.stop()
        await http.close()
        await asyncio.to_thread(services.stop)
    for url in databases.values():
        await asyncio.to_thread(platform.drop_database, url)
