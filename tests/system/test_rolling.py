"""A release is rolled out while orders flow: the release before it and this one side by side on the new schema.

The release before is the commit before the newest migration, taken out of git. What must hold is what schema changes
promise (docs/operations/schema-changes.md): old code on the new schema, new code beside it, no order lost or doubled.
"""

import asyncio
import io
import secrets
import subprocess
import tarfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from deploy.demo.mailbox import Mailbox
from deploy.demo.quiet import libpq
from deploy.demo.services import Http
from deploy.local import Platform
from deploy.local.instance import Instance
from deploy.local.services import Services
from deploy.local.settings import ROOT, SERVICES
from deploy.local.topics import apply, remove
from shared.contracts.orders import OrderCompleted
from tests.harness.otlp import Sink
from tests.harness.service import until
from tests.system.suite import Placed, Suite, playing, surroundings

pytestmark = [pytest.mark.platform, pytest.mark.slow, pytest.mark.timeout(1200)]

MIGRATIONS = ":(glob)services/*/store/migrations/[0-9]*.py"
AT_ONCE = 4
PATIENCE = 300


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True).stdout


def commit_before_newest_migration() -> str:
    """Skips, saying so, where history does not reach so far back."""
    try:
        if git("status", "--porcelain", "--", MIGRATIONS):
            return git("rev-parse", "HEAD").decode().strip()
        newest = git("log", "-1", "--format=%H", "--diff-filter=A", "--", MIGRATIONS).decode().strip()
        return git("rev-parse", "--verify", "--quiet", f"{newest}~1").decode().strip()
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", b"") or b""
        pytest.skip(
            "NOT TESTED: two releases side by side. There is no git history with the commit before the newest"
            f" migration (a shallow clone? git fetch --unshallow): {error} {said.decode(errors='replace').strip()}"
        )


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the release before."""
    commit = commit_before_newest_migration()
    folder = tmp_path_factory.mktemp("previous")
    with tarfile.open(fileobj=io.BytesIO(git("archive", commit, "services", "shared", "deploy"))) as archive:
        # The argument of the same name came with 3.11.4.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)
    for service in SERVICES:
        ours = {
            path.name for path in (ROOT / "services" / service / "store" / "migrations").glob("[0-9]*.py")
        }
        theirs = {
            path.name for path in (folder / "services" / service / "store" / "migrations").glob("[0-9]*.py")
        }
        assert theirs <= ours, f"{service}: a released migration may not be changed or removed"
    return folder


@dataclass
class Flow:
    """Orders that keep coming, each with its whole life, until they are stopped."""

    suite: Suite
    sku: str
    begun: list[Placed] = field(default_factory=list)
    ended: int = 0
    stopping: bool = False

    async def run(self) -> None:
        while not self.stopping:
            order = await self.suite.order((self.sku, 1, 1000))
            self.begun.append(order)
            await order.deliver(*await order.parcels())
            await order.expect(OrderCompleted)
            self.ended += 1

    async def more(self, orders: int = 2 * AT_ONCE) -> None:
        """Wait until so many more orders came to their end."""
        enough = self.ended + orders
        await until(lambda: self.ended >= enough or self._failed(), f"{orders} more orders end", PATIENCE)

    def _failed(self) -> bool:
        for task in self._tasks:
            if task.done() and not self.stopping:
                task.result()
        return False

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator["Flow"]:
        self._tasks = [asyncio.create_task(self.run()) for _ in range(AT_ONCE)]
        try:
            yield self
            self.stopping = True
            await asyncio.gather(*self._tasks)
        finally:
            for task in self._tasks:
                task.cancel()
            with suppress(Exception):
                await asyncio.gather(*self._tasks, return_exceptions=True)


@dataclass(frozen=True)
class Releases:
    """Both releases on the same databases and topics, not started."""

    old: Services
    new: Services
    databases: dict[str, str]
    kafka: str
    prefix: str
    mailbox: Mailbox
    sink: Sink


@pytest.fixture
def releases(
    platform: Platform, previous: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Releases]:
    prefix = f"r{secrets.token_hex(4)}."
    databases = {name: platform.create_database(f"rolling_{name}") for name in SERVICES}
    apply(platform.kafka, prefix=prefix)
    with Sink() as sink, Mailbox(tmp_path_factory.mktemp("mails")) as mailbox:
        # Nothing here is about deadlines or dying processes, and ten of them may be much for the machine.
        patient = {f"OMS_{name.upper()}_SESSION_TIMEOUT_MS": "60000" for name in SERVICES}
        extra = surroundings(mailbox, sink) | patient | {"OMS_ORDERS_PAYMENT_SECONDS": "3600"}
        old, new = (
            Services(
                platform, topic_prefix=prefix, any_port=True, extra=extra, database_urls=databases,
                root=root, instance=Instance(tmp_path / name), patience=300,
            )
            for name, root in (("old", previous), ("new", ROOT))
        )  # fmt: skip
        try:
            yield Releases(old, new, databases, platform.kafka, prefix, mailbox, sink)
        finally:
            new.stop()
            old.stop()
            remove(platform.kafka, prefix=prefix)


def urls(services: Services) -> dict[str, str]:
    return {name: services.url(name) for name in SERVICES}


async def reading(http: Http, service: str) -> float:
    """Partitions that this process reads."""
    page = await http.text(service, "/metrics")
    lines = [line for line in page.splitlines() if line.startswith("oms_consumer_assigned_partitions{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def revision(database_url: str) -> str:
    with psycopg.connect(libpq(database_url)) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    assert row is not None
    return str(row[0])


async def test_a_release_is_rolled_out_while_orders_flow(releases: Releases) -> None:
    old, new = releases.old, releases.new
    await asyncio.to_thread(old.start)
    before = {name: revision(url) for name, url in releases.databases.items()}
    around = (releases.databases, releases.kafka, releases.prefix, releases.mailbox, releases.sink)
    async with playing(urls(old), *around) as suite, Http(urls(old)) as old_http:
        suite.patience = PATIENCE
        flow = Flow(suite, await suite.article(north=10_000))
        async with flow.flowing():
            await flow.more()
            # Expand: the schema first, under the feet of the release before.
            await asyncio.to_thread(new.migrate)
            after = {name: revision(url) for name, url in releases.databases.items()}
            assert any(after[name] != before[name] for name in SERVICES), "there is a newer schema"
            await flow.more()
            # Side by side.
            await asyncio.to_thread(new.start)
            async with Http(urls(new)) as new_http:

                async def shared() -> bool:
                    read = [await reading(http, name) for http in (old_http, new_http) for name in SERVICES]
                    return all(read)

                await until(shared, "processes of both releases read their share", PATIENCE)
                await flow.more()
                # People and shops are led to the new one, and a process of the old one dies and comes back.
                suite.http = new_http
                await asyncio.to_thread(old.restart, ["orders", "inventory"])
                assert after == {name: revision(url) for name, url in releases.databases.items()}
                await flow.more()
                assert await asyncio.to_thread(old.stop) == [], "they end by themselves"
                await flow.more()
                flow.stopping = True
                await until(lambda: flow.ended == len(flow.begun), "every order comes to its end", PATIENCE)
                await suite.proves_true()
        assert len(flow.begun) >= 10 * AT_ONCE
