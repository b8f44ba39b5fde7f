"""The five services as processes, through the entry points that every deployment uses."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from deploy.local import ports, processes
from deploy.local.errors import PlatformError
from deploy.local.instance import Instance, ServiceState
from deploy.local.platform import Platform
from deploy.local.progress import Report, Silent
from deploy.local.settings import ROOT, SERVICES

PREFERRED_PORTS = {service: 8101 + number for number, service in enumerate(SERVICES)}


@dataclass(frozen=True)
class Health:
    """What a service says about itself; None where it does not answer."""

    service: str
    pid: int | None
    port: int | None
    ready: bool
    problem: str | None = None
    lag: float | None = None
    outbox: float | None = None


class Services:
    """Starts, stops and watches the services of one platform."""

    def __init__(
        self,
        platform: Platform,
        *,
        topic_prefix: str = "",
        any_port: bool = False,
        extra: Mapping[str, str] | None = None,
        database_urls: Mapping[str, str] | None = None,
        root: Path = ROOT,
        instance: Instance | None = None,
        patience: float = 240,
    ) -> None:
        """`extra` is added to every service's environment; `database_urls` replaces the platform's own databases.

        `root` is the checkout whose code they run; `instance` keeps their state and logs where a second set of
        processes runs beside the first; `patience` is how many seconds one may take to be ready.
        """
        self._root = root
        self._patience = patience
        self._platform = platform
        self._instance: Instance = instance or platform.instance
        self._prefix = topic_prefix
        self._any_port = any_port
        self._extra = dict(extra or {})
        self._database_urls = dict(database_urls or {})

    def environment(self, service: str, port: int) -> dict[str, str]:
        """What one service needs to know, as environment variables."""
        name = service.upper()
        return {
            f"OMS_{name}_DATABASE_URL": self._database_urls.get(service)
            or self._platform.database_url(service),
            "OMS_KAFKA": self._platform.kafka,
            f"OMS_{name}_HTTP_PORT": str(port),
            "OMS_TOPIC_PREFIX": self._prefix,
            **self._extra,
        }

    def start(self, names: Collection[str] = SERVICES, report: Report | None = None) -> None:
        """Migrate and start these services and return when all are ready; those already so are left alone."""
        report = report or Silent()
        with self._instance.exclusively():
            missing = sorted(set(names) - set(existing(self._root)))
            if missing:
                raise PlatformError(
                    f"there is no service {', '.join(missing)}", f"known are {', '.join(SERVICES)}"
                )
            waiting = [name for name in names if not self._is_current(name)]
            # Two at a time: a migration is mostly the start of an interpreter.
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda name: self._migrate(name, report), waiting))
            for name in waiting:
                self._launch(name)
            with ThreadPoolExecutor(len(SERVICES)) as pool:
                list(pool.map(lambda name: self._wait_until_ready(name, report), names))

    def _is_current(self, service: str) -> bool:
        """Whether it runs with the addresses of now; one that runs with others is stopped."""
        known = self._instance.read().services.get(service)
        if known is None or not processes.alive(known.process):
            return False
        if known.surroundings == self._surroundings(service, self.environment(service, known.port)):
            return True
        self._stop_one(service)
        return False

    def _surroundings(self, service: str, environment: Mapping[str, str]) -> str:
        """A digest of what a process is started with: its addresses and the age of its code."""
        folders = (self._root / "services" / service, self._root / "shared")
        code = (path for folder in folders for path in folder.rglob("*.py"))
        newest = max((path.stat().st_mtime_ns for path in code), default=0)
        return hashlib.sha256(repr((newest, sorted(environment.items()))).encode()).hexdigest()[:16]

    def migrate(self, names: Collection[str] = SERVICES, report: Report | None = None) -> None:
        """Bring these services' databases to the newest schema."""
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda name: self._migrate(name, report or Silent()), names))

    def _migrate(self, service: str, report: Report) -> None:
        with report.step(f"{service}: migrating"):
            done = self.run(service, "migrate")
        if done.returncode != 0:
            log = self._instance.logs / f"{service}.log"
            with log.open("a") as file:
                file.write(done.stdout + done.stderr)
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise PlatformError(f"{service}: migrating its database failed: {last}", f"read {log}")

    def run(self, service: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """One of a service's commands (migrate, dead-letters, ...) to its end."""
        return subprocess.run(
            [sys.executable, "-m", f"services.{service}", *arguments],
            cwd=self._root,
            env=os.environ | self.environment(service, self.port(service) or PREFERRED_PORTS[service]),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            # Ctrl-C is for the command that a person typed: a migration that began ends.
            start_new_session=True,
        )

    def _launch(self, service: str) -> None:
        known = self._instance.read().services.get(service)
        taken = [other.port for name, other in self._instance.read().services.items() if name != service]
        preferred = known.port if known else None if self._any_port else PREFERRED_PORTS[service]
        port = ports.choose(preferred, taken)
        environment = self.environment(service, port)
        record = processes.start(
            [sys.executable, "-m", f"services.{service}", "run"],
            log=self.log(service),
            folder=self._root,
            environment=os.environ | environment,
        )
        with self._instance.update() as state:
            state.services[service] = ServiceState(
                port=port, process=record, surroundings=self._surroundings(service, environment)
            )

    def _wait_until_ready(self, service: str, report: Report) -> None:
        with report.step(f"{service}: starting"):
            deadline = time.monotonic() + self._patience
            problem = "it does not answer"
            known = self._instance.read().services[service]
            while time.monotonic() < deadline and processes.alive(known.process):
                ready, problem = _ready(known.port)
                if ready:
                    return
                time.sleep(0.1)
            if not processes.alive(known.process):
                problem = f"it ended: {_last_line(self.log(service))}"
            raise PlatformError(f"{service} is not ready: {problem}", f"read {self.log(service)}")

    def stop(self, names: Collection[str] = SERVICES, *, patience: float = 40) -> list[str]:
        """Ask these services to end, wait, and kill those that do not. Returns the ones that had to be killed."""
        with self._instance.exclusively(), ThreadPoolExecutor(len(SERVICES)) as pool:
            ended = pool.map(lambda name: self._stop_one(name, patience=patience), names)
            return [name for name, by_itself in zip(names, ended, strict=True) if not by_itself]

    def _stop_one(
        self, service: str, number: signal.Signals = signal.SIGTERM, *, patience: float = 40
    ) -> bool:
        known = self._instance.read().services.get(service)
        return known is None or processes.stop(known.process, number, patience=patience)

    def kill(self, service: str) -> None:
        """End it as a power cut would."""
        self._stop_one(service, signal.SIGKILL)

    def restart(self, names: Collection[str] = SERVICES, report: Report | None = None) -> None:
        self.stop(names)
        self.start(names, report)

    def port(self, service: str) -> int | None:
        known = self._instance.read().services.get(service)
        return None if known is None else known.port

    def url(self, service: str) -> str:
        """Where a started service answers HTTP."""
        port = self.port(service)
        if port is None:
            raise PlatformError(f"{service} was not started", "start it first")
        return f"http://{ports.HOST}:{port}"

    def pid(self, service: str) -> int | None:
        known = self._instance.read().services.get(service)
        return known.process.pid if known and processes.alive(known.process) else None

    def log(self, service: str) -> Path:
        return self._instance.logs / f"{service}.log"

    def health(self, service: str) -> Health:
        known = self._instance.read().services.get(service)
        if known is None or not processes.alive(known.process):
            return Health(service, None, known.port if known else None, ready=False, problem="not running")
        ready, problem = _ready(known.port)
        lag, outbox = _backlog(known.port)
        return Health(service, known.process.pid, known.port, ready, None if ready else problem, lag, outbox)


def _ready(port: int) -> tuple[bool, str]:
    try:
        answer = httpx.get(f"http://{ports.HOST}:{port}/ready", timeout=2)
    except httpx.HTTPError as error:
        return False, f"it does not answer ({type(error).__name__})"
    return answer.status_code == 200, f"it says {answer.status_code} {answer.text[:200]}"


def _backlog(port: int) -> tuple[float | None, float | None]:
    """Messages yet to be read and outbox rows yet to be sent, as the service's own metrics say."""
    try:
        text = httpx.get(f"http://{ports.HOST}:{port}/metrics", timeout=2).text
        families = list(text_string_to_metric_families(text))
    except (httpx.HTTPError, ValueError):
        return None, None

    def total(metric: str) -> float | None:
        values = [sample.value for family in families for sample in family.samples if sample.name == metric]
        return sum(values) if values else None

    return total("oms_consumer_lag_records"), total("oms_outbox_rows")


def existing(root: Path = ROOT) -> list[str]:
    """The services that this checkout has."""
    return [name for name in SERVICES if (root / "services" / name / "__main__.py").exists()]


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1][:300] if lines else "it said nothing"
