"""Kafka and PostgreSQL together: chosen, started, given databases, stopped."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from deploy.local import databases, processes
from deploy.local.containers import Containers, docker_answers
from deploy.local.errors import PlatformError
from deploy.local.external import External
from deploy.local.instance import Instance
from deploy.local.native import Native
from deploy.local.progress import Report, Silent
from deploy.local.provider import Provider, Server, StopMode
from deploy.local.settings import ROOT, SERVICES, LocalSettings, ProviderName, load_settings

TEMPORARY = ROOT / ".local" / "tests"
"""Where tests put their platforms. Not the system's temporary folder: tools make folders there that only their owner
may enter, and PostgreSQL may have to run as another user."""


class Platform:
    """One Kafka, one PostgreSQL server and the services' databases on it."""

    def __init__(
        self, instance: Instance, settings: LocalSettings, *, any_port: bool, temporary: bool
    ) -> None:
        self.instance = instance
        self._settings = settings
        self._temporary = temporary
        self._started_here: list[Server] = []
        self._any_port = any_port
        self._kafka_provider = _choose("kafka", instance, settings)
        self._postgres_provider = _choose("postgres", instance, settings)
        self._kafka = self._kafka_provider.kafka(instance, any_port=any_port)
        self._postgres = self._postgres_provider.postgres(instance, any_port=any_port)

    def start(self, report: Report) -> None:
        """Bring up what does not run, whatever state it was left in, and see to databases and roles. Repeatable."""
        with self.instance.exclusively():
            self._leave_other_providers()
            with self.instance.update() as state:
                state.kafka.provider = self._kafka_provider.name
                state.postgres.provider = self._postgres_provider.name
                if self._temporary:
                    state.owner = processes.record_of(os.getpid())
            try:
                with ThreadPoolExecutor(2) as pool:
                    kafka = pool.submit(self._kafka.start, report)
                    postgres = pool.submit(self._postgres.start, report)
                    for server, started in ((self._kafka, kafka), (self._postgres, postgres)):
                        if started.exception() is None and started.result():
                            self._started_here.append(server)
                    for started in (postgres, kafka):
                        started.result()
                self._ensure_databases()
            except BaseException:
                if self._temporary:
                    self.close()
                raise

    def _leave_other_providers(self) -> None:
        """A server that an earlier start got from elsewhere would be forgotten; it is stopped, its data stays."""
        state = self.instance.read()
        if state.kafka.provider not in (None, "external", self._kafka_provider.name):
            _provider(state.kafka.provider, self._settings).kafka(
                self.instance, any_port=self._any_port
            ).stop()
        if state.postgres.provider not in (None, "external", self._postgres_provider.name):
            old = _provider(state.postgres.provider, self._settings)
            old.postgres(self.instance, any_port=self._any_port).stop()

    def _ensure_databases(self) -> None:
        ours = self._postgres_provider.name != "external"
        if ours:
            databases.close_to_public(self.admin_url)
        for service in SERVICES:
            name = self._settings.database_prefix + service
            known = self.instance.has_secret(name)
            databases.ensure(
                self.admin_url,
                database=name,
                role=name,
                password=self.instance.secret(name),
                may_reset_password=ours or known,
            )

    # --- addresses ---

    @property
    def kafka(self) -> str:
        """Bootstrap servers."""
        return self._kafka.address

    @property
    def admin_url(self) -> str:
        """Address of a role that may do everything, for psql and psycopg (postgresql://...)."""
        return self._postgres.address

    def database_url(self, service: str) -> str:
        """Address of a service's database as its owner, for SQLAlchemy (postgresql+psycopg://...)."""
        if service not in SERVICES:
            raise ValueError(f"{service} is no service; there are {', '.join(SERVICES)}")
        name = self._settings.database_prefix + service
        return databases.with_role(
            self.admin_url, role=name, password=self.instance.secret(name), database=name
        )

    @property
    def versions(self) -> dict[str, dict[str, str]]:
        return {
            "kafka": {"provider": self._kafka_provider.name, "version": self._kafka.version},
            "postgres": {"provider": self._postgres_provider.name, "version": self._postgres.version},
        }

    # --- for tests ---

    def create_database(self, name: str) -> str:
        """Address of a fresh, empty database with an owner of its own; its name is `name` with a random tail."""
        return databases.fresh(self.admin_url, name)

    def drop_database(self, url: str) -> None:
        """Delete a database made by `create_database`."""
        databases.drop(self.admin_url, urlsplit(url).path.lstrip("/"))

    def stop_kafka(self, mode: StopMode = "fast") -> None:
        self._kafka.stop(mode)

    def start_kafka(self) -> None:
        """Returns when it answers, at the same address as before."""
        self._remember(self._kafka)

    def stop_postgres(self, mode: StopMode = "fast") -> None:
        """`smart` waits for clients, `fast` sends them away, the others leave recovery to the next start."""
        self._postgres.stop(mode)

    def start_postgres(self) -> None:
        """Returns when it answers, at the same address as before."""
        self._remember(self._postgres)

    def _remember(self, server: Server) -> None:
        if server.start(Silent()) and server not in self._started_here:
            self._started_here.append(server)

    @property
    def kafka_pid(self) -> int | None:
        return self._kafka.pid

    @property
    def postgres_pid(self) -> int | None:
        return self._postgres.pid

    @property
    def running(self) -> dict[str, bool]:
        return {"kafka": self._kafka.running(), "postgres": self._postgres.running()}

    # --- the end ---

    def close(self) -> None:
        """Stop what this object started; a platform that ran before stays. A temporary one leaves nothing behind."""
        # A temporary platform is nobody else's, so all of it goes, also what a failed start left.
        for server in (self._kafka, self._postgres) if self._temporary else self._started_here:
            server.stop("immediate" if self._temporary else "fast")
        self._started_here.clear()
        if self._temporary:
            self._kafka.purge()
            self._postgres.purge()
            self.instance.remove()

    def stop(self) -> None:
        """Stop both servers, whoever started them; external ones are left alone. Data stays."""
        with self.instance.exclusively(), ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(server.stop) for server in (self._kafka, self._postgres)]:
                done.result()
        self._started_here.clear()

    def purge(self) -> None:
        """Delete the data of stopped servers."""
        self._kafka.purge()
        self._postgres.purge()
        if self._postgres_provider.name != "external":
            self.instance.forget_secrets()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def start_platform(
    folder: Path | None = None,
    *,
    temporary: bool = False,
    provider: ProviderName | None = None,
    report: Report | None = None,
) -> Platform:
    """Start Kafka and PostgreSQL, or find them running, and return their addresses.

    Without arguments this is the platform of `make up`, in the folder of OMS_LOCAL. A temporary platform has free
    ports, and `close` deletes its data; if its process dies without closing it, `sweep` of the next one does.
    """
    settings = load_settings()
    if provider is not None:
        settings = settings.model_copy(update={"platform": provider})
    instance = Instance(folder or settings.local)
    platform = Platform(instance, settings, any_port=temporary, temporary=temporary)
    platform.start(report or Silent())
    return platform


def find_platform(folder: Path | None = None) -> Platform:
    """The platform of a folder as it was last started, running or not; starts nothing."""
    settings = load_settings()
    instance = Instance(folder or settings.local)
    return Platform(instance, _as_last_started(instance, settings), any_port=False, temporary=False)


def _as_last_started(instance: Instance, settings: LocalSettings) -> LocalSettings:
    """The environment may have changed since: what was started here is stopped here all the same."""
    state = instance.read()
    local = ("containers", "native")
    changes: dict[str, None] = {}
    if state.kafka.provider in local:
        changes["kafka"] = None
    if state.postgres.provider in local:
        changes["postgres"] = None
    return settings.model_copy(update=changes | {"platform": None}) if changes else settings


def sweep(folder: Path = TEMPORARY) -> None:
    """Stop and delete temporary platforms below `folder` whose process died without closing them."""
    for candidate in folder.glob("*/state.json"):
        instance = Instance(candidate.parent)
        owner = instance.read().owner
        if owner is not None and not processes.alive(owner):
            settings = _as_last_started(instance, load_settings())
            Platform(instance, settings, any_port=True, temporary=True).close()


def _choose(server: str, instance: Instance, settings: LocalSettings) -> Provider:
    """External if an address is given, else where this instance's data already is, else containers, else native."""
    external = settings.kafka if server == "kafka" else settings.postgres
    known = getattr(instance.read(), server).provider
    name = settings.platform or ("external" if external else None)
    if name is None and known in ("containers", "native"):
        name = known
    if name is None:
        name = "containers" if docker_answers() else "native"
    return _provider(name, settings)


def _provider(name: str | None, settings: LocalSettings) -> Provider:
    if name == "external":
        return External(settings)
    if name == "containers":
        if not docker_answers():
            raise PlatformError(
                "containers are wanted, but no Docker daemon answers",
                "start Docker, or set OMS_PLATFORM=native (needs nothing installed)",
            )
        return Containers()
    if sys.platform == "win32":
        raise PlatformError(
            "Kafka and PostgreSQL cannot run natively on Windows",
            "install Docker, use WSL, or set OMS_KAFKA and OMS_POSTGRES to servers of your own",
        )
    return Native(settings)
