"""Where the demo plays: the platform, five services on fresh databases and topics of their own, a mailbox."""

import fcntl
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from deploy.demo.ending import uninterruptible
from deploy.demo.mailbox import Mailbox
from deploy.local import Platform, PlatformError, start_platform
from deploy.local.instance import write_private
from deploy.local.platform import find_platform
from deploy.local.progress import Report
from deploy.local.services import Services
from deploy.local.settings import SERVICES, load_settings
from deploy.local.topics import apply, remove

SURROUNDINGS = {
    # Days pass in seconds here: who has not paid by then does not, as after days in a shop.
    "OMS_ORDERS_PAYMENT_SECONDS": "15",
    "OMS_ORDERS_DEADLINE_POLL_SECONDS": "1",
    # Deadlines fire once the consumed position has passed them, so it is told often.
    "OMS_ORDERS_PROGRESS_SECONDS": "0.5",
    "OMS_NOTIFICATIONS_SMTP_PER_SECOND": "0",
    "OMS_NOTIFICATIONS_SHOP_NAME": "Demo shop",
}
"""Settings of the services in which a demo differs from production."""
_TO_BEGIN_SECONDS = 1.0


@dataclass(frozen=True)
class Stage:
    """Everything that runs."""

    platform: Platform
    services: Services
    databases: dict[str, str]
    """Address of each service's database."""
    prefix: str
    """Of all topics and consumer groups of this run."""
    mailbox: Mailbox

    def check(self) -> None:
        """Raises PlatformError when a process of the stage has died."""
        known = self.platform.instance.read()
        servers = (
            ("kafka", known.kafka.provider, self.platform.kafka_pid),
            ("postgres", known.postgres.provider, self.platform.postgres_pid),
        )
        died = [name for name, provider, pid in servers if provider != "external" and pid is None]
        died += [name for name in SERVICES if self.services.pid(name) is None]
        if died:
            log = self.platform.instance.logs / f"{died[0]}.log"
            raise PlatformError(
                f"{' and '.join(died)} died during the demo", f"read {log}, then run it again"
            )


class Traces(BaseModel):
    """What a run leaves on the platform; kept in a file, so that a run that was killed is cleared by the next."""

    prefix: str = ""
    """Of its topics; empty before there are any."""
    started_platform: bool
    """Whether Kafka and PostgreSQL run because of a demo, and are to end with one."""
    databases: dict[str, str] = {}
    processes: dict[str, int | None] = {}

    @staticmethod
    def file(platform: Platform) -> Path:
        """Where they are kept."""
        return platform.instance.folder / "demo.json"

    @classmethod
    def read(cls, platform: Platform) -> "Traces | None":
        """Those of the last run, unless they were cleared."""
        try:
            return cls.model_validate_json(cls.file(platform).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def write(self, platform: Platform) -> None:
        """Remember them."""
        write_private(self.file(platform), self.model_dump_json(indent=2))

    def clear(self, platform: Platform) -> None:
        """Take them away."""
        for url in self.databases.values():
            platform.drop_database(url)
        if self.prefix:
            remove(platform.kafka, prefix=self.prefix)
        self.file(platform).unlink(missing_ok=True)


@contextmanager
def stage(report: Report, out: Path, *, keep: bool) -> Iterator[Stage]:
    """The stage, set; at the end everything that was started stops, unless the play was played out and `keep`.

    Mails go to the folder `out`. What the run leaves in PostgreSQL and Kafka can be looked at until the next one clears
    it. A platform and services that `make up` had running are left running; the services make room meanwhile.
    """
    platform = find_platform()
    with _alone(platform):
        last = Traces.read(platform)
        ran_before = any(platform.running.values())
        # Written before anything starts: who finds this run killed knows whose the servers are.
        traces = last or Traces(started_platform=True)
        traces.started_platform = not ran_before or (last is not None and last.started_platform)
        traces.write(platform)
        services: Services | None = None
        made_room: list[str] = []
        played = False
        try:
            platform = start_platform(report=report)
            made_room = _make_room(platform, last, report)
            with Mailbox(_empty(out / "mails")) as mailbox:
                traces = _fresh(platform, traces.started_platform, report)
                services = _services(platform, mailbox, traces)
                services.start(report=report)
                traces.processes = {name: services.pid(name) for name in SERVICES}
                traces.write(platform)
                yield Stage(platform, services, traces.databases, traces.prefix, mailbox)
                played = True
        finally:
            if not (keep and played):
                with uninterruptible():
                    _strike(platform, traces, services, made_room)


def _strike(platform: Platform, traces: Traces, services: Services | None, made_room: list[str]) -> None:
    """Stop what was started, and start again what made room."""
    # An interrupt may hit when a thread has just begun: its pool does not know it yet and did not wait for it. Or just
    # before it: then the thread is on the list, and never begins.
    until = time.monotonic() + _TO_BEGIN_SECONDS
    for thread in threading.enumerate():
        if thread is threading.current_thread() or thread.daemon:
            continue
        while not thread.is_alive() and thread in threading.enumerate() and time.monotonic() < until:
            time.sleep(0.01)
        if thread.is_alive():
            thread.join()
    if services is not None:
        # Without its servers a service waits for them to come back, with messages to send: here nobody reads them.
        services.stop(patience=40 if all(platform.running.values()) else 5)
    if made_room:
        Services(platform, topic_prefix=load_settings().topic_prefix).start(made_room)
    elif traces.started_platform:
        platform.stop()
        # What runs from now on is somebody else's.
        traces.started_platform = False
        traces.write(platform)


@contextmanager
def _alone(platform: Platform) -> Iterator[None]:
    """Two demos in one checkout would clear each other's stage. The lock ends with its process, however that ends."""
    platform.instance.prepare()
    with (platform.instance.folder / "demo.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PlatformError(
                "a demo is running here already", "wait for it, end it with Ctrl-C, or use another checkout"
            ) from None
        yield


def _make_room(platform: Platform, last: Traces | None, report: Report) -> list[str]:
    """Stop services that run here and clear the last demo's traces; returns the services that were not a demo's."""
    with report.step("making room"):
        running = Services(platform)
        pids = {name: running.pid(name) for name in SERVICES}
        demos = last.processes if last is not None else {}
        others = [name for name, pid in pids.items() if pid is not None and pid != demos.get(name)]
        running.stop()
        if last is not None:
            last.clear(platform)
        return others


def _fresh(platform: Platform, ours: bool, report: Report) -> Traces:
    with report.step("fresh databases and topics"):
        traces = Traces(prefix=f"demo-{secrets.token_hex(4)}.", started_platform=ours)
        traces.write(platform)
        for name in SERVICES:
            traces.databases[name] = platform.create_database(f"demo_{name}")
            traces.write(platform)
        apply(platform.kafka, prefix=traces.prefix)
        return traces


def _services(platform: Platform, mailbox: Mailbox, traces: Traces) -> Services:
    mail = {
        "OMS_NOTIFICATIONS_SMTP_HOST": "127.0.0.1",
        "OMS_NOTIFICATIONS_SMTP_PORT": str(mailbox.port),
        "OMS_NOTIFICATIONS_SMTP_SECURITY": "none",
    }
    return Services(
        platform, topic_prefix=traces.prefix, extra=SURROUNDINGS | mail, database_urls=traces.databases
    )


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
