"""Where the demo plays: the platform, five services on fresh databases and topics of their own, a mailbox."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from deploy.demo.mailbox import Mailbox
from deploy.local import Platform, start_platform
from deploy.local.instance import write_private
from deploy.local.progress import Report
from deploy.local.services import Services
from deploy.local.settings import ROOT, SERVICES, load_settings
from deploy.local.topics import apply, remove

BUILD = ROOT / "build"

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


class Traces(BaseModel):
    """What a run leaves on the platform; kept in a file, so that a run that was killed is cleared by the next."""

    prefix: str
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
        remove(platform.kafka, prefix=self.prefix)
        self.file(platform).unlink(missing_ok=True)


@contextmanager
def stage(report: Report, *, keep: bool) -> Iterator[Stage]:
    """The stage, set; at the end everything that was started stops, unless the play was played out and `keep`.

    What the run leaves in PostgreSQL and Kafka can be looked at until the next one clears it. Services that `make up`
    had running make room, and run again afterwards.
    """
    platform = start_platform(report=report)
    services: Services | None = None
    made_room: list[str] = []
    played = False
    try:
        made_room = _make_room(platform, report)
        with Mailbox(_empty(BUILD / "mails")) as mailbox:
            databases, prefix = _fresh(platform, report)
            services = _services(platform, mailbox, databases, prefix)
            services.start(report=report)
            Traces(
                prefix=prefix, databases=databases, processes={name: services.pid(name) for name in SERVICES}
            ).write(platform)
            yield Stage(platform, services, databases, prefix, mailbox)
            played = True
    finally:
        if not (keep and played):
            if services is not None:
                services.stop()
            if made_room:
                Services(platform, topic_prefix=load_settings().topic_prefix).start(made_room)
            platform.close()


def _make_room(platform: Platform, report: Report) -> list[str]:
    """Stop services that run here and clear the last demo's traces; returns the services that were not a demo's."""
    with report.step("making room"):
        traces = Traces.read(platform)
        running = Services(platform)
        others = [
            name
            for name in SERVICES
            if running.pid(name) is not None
            and (traces is None or running.pid(name) != traces.processes.get(name))
        ]
        running.stop()
        if traces is not None:
            traces.clear(platform)
        return others


def _fresh(platform: Platform, report: Report) -> tuple[dict[str, str], str]:
    with report.step("fresh databases and topics"):
        traces = Traces(prefix=f"demo-{secrets.token_hex(4)}.")
        traces.write(platform)
        for name in SERVICES:
            traces.databases[name] = platform.create_database(f"demo_{name}")
            traces.write(platform)
        apply(platform.kafka, prefix=traces.prefix)
        return traces.databases, traces.prefix


def _services(platform: Platform, mailbox: Mailbox, databases: dict[str, str], prefix: str) -> Services:
    mail = {
        "OMS_NOTIFICATIONS_SMTP_HOST": "127.0.0.1",
        "OMS_NOTIFICATIONS_SMTP_PORT": str(mailbox.port),
        "OMS_NOTIFICATIONS_SMTP_SECURITY": "none",
    }
    return Services(platform, topic_prefix=prefix, extra=SURROUNDINGS | mail, database_urls=databases)


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
