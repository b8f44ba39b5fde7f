"""One running suite for all scenarios: five real processes on databases and topics of their own."""

import secrets
from collections.abc import AsyncIterator, Iterator

import pytest

from deploy.demo.mailbox import Mailbox
from deploy.local import Platform
from deploy.local.instance import Instance
from deploy.local.services import Services
from deploy.local.settings import SERVICES
from deploy.local.topics import apply
from tests.harness.otlp import Sink
from tests.system.suite import Processes, Suite, playing, surroundings


@pytest.fixture(scope="session")
def processes(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """The five processes, a mail server and a collector of traces."""
    prefix = f"s{secrets.token_hex(4)}."
    databases = {name: platform.create_database(f"system_{name}") for name in SERVICES}
    apply(platform.kafka, prefix=prefix)
    with Sink() as sink, Mailbox(tmp_path_factory.mktemp("mails")) as mailbox:
        extra = surroundings(mailbox, sink)
        services = Services(
            platform, topic_prefix=prefix, any_port=True, extra=extra, database_urls=databases, patience=300,
            # Not the platform's own: other tests start services of the same names there.
            instance=Instance(tmp_path_factory.mktemp("services")),
        )  # fmt: skip
        try:
            services.start()
            yield Processes(services, databases, prefix, mailbox, sink)
        finally:
            services.stop()


@pytest.fixture(scope="session")
async def suite(platform: Platform, processes: Processes) -> AsyncIterator[Suite]:
    """Everything running, two places known, every message heard from the beginning."""
    urls = {name: processes.services.url(name) for name in SERVICES}
    async with playing(
        urls, processes.databases, platform.kafka, processes.prefix, processes.mailbox, processes.sink
    ) as running:
        yield running
