"""Everything that runs: platform, services, proxy, mail server, listeners; cleared at the end."""

import os
import secrets
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from urllib.parse import urlsplit, urlunsplit

from aiokafka import TopicPartition

from deploy.demo.mailbox import Mailbox
from deploy.demo.stage import SURROUNDINGS
from deploy.local import Platform, start_platform
from deploy.local.instance import Instance
from deploy.local.native_postgres import SHELTER
from deploy.local.platform import TEMPORARY, sweep
from deploy.local.progress import Report
from deploy.local.services import Services
from deploy.local.settings import ROOT, SERVICES
from deploy.local.topics import apply
from tests.chaos.fleet import Fleet
from tests.chaos.proxy import Network
from tests.chaos.pulse import Pulse
from tests.chaos.tap import Tap

LOGS = ROOT / "build" / "chaos"
PAYMENT_SECONDS = 30.0
"""Who has not paid by then does not: a deadline that comes while servers are away for two minutes."""
COPIES = {"orders": 2, "inventory": 2, "fulfillment": 2}
"""Services of which there are several processes."""
DISK_MB = 4_096
"""Most that the disk of PostgreSQL may hold when it lies in memory."""

_DIFFERENT = SURROUNDINGS | {
    "OMS_ORDERS_PAYMENT_SECONDS": str(PAYMENT_SECONDS),
    "OMS_NOTIFICATIONS_SMTP_SECURITY": "none",
    # A process that is killed while it sends leaves its claim behind; others wait for its end.
    "OMS_NOTIFICATIONS_SMTP_TIMEOUT_SECONDS": "2.5",
    "OMS_NOTIFICATIONS_CLAIM_SECONDS": "20",
    "OMS_NOTIFICATIONS_RETRY_FIRST_SECONDS": "2",
}
"""Settings in which the services differ from production; those that make an outage survivable have their defaults."""


@dataclass
class Disk:
    """A small disk of PostgreSQL's own, which can be filled."""

    mount: Path

    def fill(self) -> None:
        """Leave no room beyond what is used."""
        used = sum(path.stat().st_blocks * 512 for path in self.mount.rglob("*") if path.is_file())
        for margin in (0, 1, 4, 16):
            size = used // 1024 + margin * 1024
            if self._resize(f"{size}k"):
                return
        raise RuntimeError(f"cannot shrink {self.mount}")

    def empty(self) -> None:
        """There is room again."""
        if not self._resize(f"{DISK_MB}m"):
            raise RuntimeError(f"cannot enlarge {self.mount}")

    def _resize(self, size: str) -> bool:
        command = ["mount", "-o", f"remount,size={size}", str(self.mount)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


@dataclass
class Scene:
    """What faults work on."""

    platform: Platform
    fleet: Fleet
    network: Network
    tap: Tap
    pulse: Pulse
    mailbox: Mailbox
    databases: dict[str, str]
    """Address of each service's database, past the proxy."""
    prefix: str
    disk: Disk | None
    no_disk: str
    """Why there is no small disk."""
    listeners: list[Callable[[], Awaitable[Mapping[TopicPartition, int]]]] = field(default_factory=list)
    """Others than the services that read topics: each tells up to where it did."""

    async def heard_up_to(self) -> dict[TopicPartition, int]:
        """Up to where everybody but the services has heard each partition."""
        heard = dict(await self.tap.positions())
        for listener in self.listeners:
            for place, offset in (await listener()).items():
                heard[place] = min(offset, heard[place])
        return heard

    def admin(self, service: str) -> str:
        """Address of a service's database as a role that may do everything, for psycopg."""
        database = urlsplit(self.databases[service]).path
        return urlunsplit(urlsplit(self.platform.admin_url)._replace(path=database))


@contextmanager
def small_disk(wanted: bool) -> Iterator[tuple[Disk | None, str]]:
    """A file system in memory for PostgreSQL's data, or why there is none."""
    if not wanted:
        yield None, "not asked for"
        return
    mount = SHELTER / f"chaos-{secrets.token_hex(4)}"
    try:
        mount.mkdir(parents=True, mode=0o755)
    except OSError as error:
        yield None, f"cannot make {mount}: {error.strerror}"
        return
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=755", "tmpfs", str(mount)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            yield None, f"cannot mount a tmpfs: {done.stderr.strip()}"
            return
        try:
            yield Disk(mount), ""
        finally:
            subprocess.run(["umount", str(mount)], check=False)
    finally:
        mount.rmdir()


@asynccontextmanager
async def scene(report: Report, chance: Random, *, disk: bool) -> AsyncIterator[Scene]:
    """The scene, set, with fresh data; everything that was started stops at the end and leaves only its logs."""
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    sweep()
    async with AsyncExitStack() as stack:
        small, no_disk = stack.enter_context(small_disk(disk))
        folder = TEMPORARY / f"chaos-{os.getpid()}"
        if small is not None:
            with Instance(folder).update() as state:
                state.postgres.data = small.mount / "data"
        # Processes of this machine, because only they can be killed and frozen.
        platform = stack.enter_context(
            start_platform(folder, temporary=True, provider="native", report=report)
        )
        kafka, postgres = int(platform.kafka.rpartition(":")[2]), urlsplit(platform.admin_url).port
        assert postgres is not None
        network = await stack.enter_async_context(Network({"kafka": kafka, "postgres": postgres}))
        prefix = f"chaos-{secrets.token_hex(3)}."
        with report.step("fresh databases and topics"):
            databases = {name: platform.create_database(f"chaos_{name}") for name in SERVICES}
            apply(platform.kafka, prefix=prefix)
        mailbox = stack.enter_context(Mailbox(LOGS / "mails"))
        proxied = {name: _through(url, network.ports["postgres"]) for name, url in databases.items()}
        settings = _DIFFERENT | {"OMS_NOTIFICATIONS_SMTP_PORT": str(mailbox.port)}
        services = Services(
            platform, topic_prefix=prefix, any_port=True, extra=settings, database_urls=proxied
        )
        fleet = Fleet(services, LOGS, kafka, network.ports["kafka"], COPIES)
        stack.push_async_callback(fleet.stop)
        with report.step("services: migrating and starting"):
            await fleet.start()
        # Chance of its own: how many messages there are decides nothing else.
        tap = Tap(platform.kafka, prefix, Random(chance.random()))
        await tap.start()
        stack.push_async_callback(tap.stop)
        yield Scene(platform, fleet, network, tap, Pulse(), mailbox, databases, prefix, small, no_disk)


def _through(url: str, port: int) -> str:
    parts = urlsplit(url)
    assert parts.port is not None
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{port}")))
