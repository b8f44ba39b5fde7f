"""Kafka and PostgreSQL in containers of a Docker daemon.

They outlive the command that started them, so they are run through the daemon's own client (with testcontainers they
would be removed when that command ends). They carry the instance's folder as a label, by which they are found again;
their data lies in named volumes.
"""

import contextlib
import hashlib
import time
from typing import Any
from urllib.parse import urlsplit

import psycopg

from deploy.local import databases, ports
from deploy.local.downloads import kafka_version
from deploy.local.errors import PlatformError
from deploy.local.instance import Instance
from deploy.local.native_kafka import BROKER_SETTINGS, broker_count
from deploy.local.native_kafka import PREFERRED_PORT as KAFKA_PORT
from deploy.local.native_postgres import ADMIN, SERVER_SETTINGS
from deploy.local.native_postgres import PREFERRED_PORT as POSTGRES_PORT
from deploy.local.progress import Report
from deploy.local.provider import Server, StopMode

POSTGRES_IMAGE = "postgres:18"
KAFKA_IMAGE = f"apache/kafka:{kafka_version()}"


def docker_answers() -> bool:
    """Whether a Docker daemon of this machine answers: one elsewhere would publish ports where we cannot reach them."""
    try:
        daemon = _daemon()
        daemon.ping()
    except Exception:
        return False
    return urlsplit(daemon.api.base_url).hostname in ("localhost", "127.0.0.1", "localnpipe")


def _daemon() -> Any:
    import docker

    return docker.from_env(timeout=10)


class _Container(Server):
    """A server in a container named after its instance."""

    kind: str
    image: str
    preferred_port: int

    def __init__(self, instance: Instance, *, any_port: bool) -> None:
        self._instance = instance
        self._preferred = None if any_port else self.preferred_port
        digest = hashlib.sha256(str(instance.folder).encode()).hexdigest()[:12]
        self._name = f"oms-{digest}-{self.kind}"

    def _found(self) -> Any | None:
        from docker.errors import NotFound

        try:
            container = _daemon().containers.get(self._name)
        except NotFound:
            return None
        return container if container.labels.get("oms.instance") == str(self._instance.folder) else None

    def start(self, report: Report) -> bool:
        found = self._found()
        if found is not None and found.status == "running":
            self._wait(found)
            return False
        if found is not None:
            found.remove(
                force=True
            )  # made anew below, since its port may be taken by now; data is in the volume
        daemon = _daemon()
        self._fetch_image(daemon, report)
        with report.step(f"{self.image}: starting"):
            with self._instance.update() as state:
                known = getattr(state, self.kind)
                known.port = ports.choose(known.port or self._preferred)
                port = known.port
            container = daemon.containers.run(
                self.image,
                name=self._name,
                detach=True,
                labels={"oms.instance": str(self._instance.folder), "oms.server": self.kind},
                **self._options(port),
            )
            self._wait(container)
        return True

    def _fetch_image(self, daemon: Any, report: Report) -> None:
        from docker.errors import APIError, ImageNotFound

        try:
            daemon.images.get(self.image)
        except ImageNotFound:
            with report.step(f"{self.image}: fetching"):
                try:
                    daemon.images.pull(self.image)
                except APIError as error:
                    raise PlatformError(
                        f"cannot fetch the image {self.image}: {error.explanation}",
                        "check the network, or set OMS_PLATFORM=native to do without containers",
                    ) from error

    def _options(self, port: int) -> dict[str, Any]:
        raise NotImplementedError

    def _answers(self) -> bool:
        raise NotImplementedError

    def _wait(self, container: Any) -> None:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            if self._answers():
                return
            container.reload()
            if container.status == "exited":
                break
            time.sleep(0.2)
        end = container.logs(tail=3).decode(errors="replace").strip()
        raise PlatformError(
            f"{self.image} did not start: {end}",
            f"read `docker logs {self._name}`, or set OMS_PLATFORM=native to do without containers",
        )

    def stop(self, mode: StopMode = "fast") -> None:
        found = self._found()
        if found is None or found.status != "running":
            return
        if mode in ("kill", "immediate"):
            found.kill()
        else:
            found.stop(timeout=30)

    def purge(self) -> None:
        from docker.errors import NotFound

        found = self._found()
        if found is not None:
            found.remove(force=True)
        with contextlib.suppress(NotFound):
            _daemon().volumes.get(self._name).remove(force=True)

    def running(self) -> bool:
        found = self._found()
        return found is not None and found.status == "running"

    @property
    def _port(self) -> int:
        return getattr(self._instance.read(), self.kind).port or self.preferred_port

    @property
    def pid(self) -> int | None:
        found = self._found()
        return None if found is None else found.attrs["State"]["Pid"] or None


class ContainerKafka(_Container):
    """Apache Kafka's own image, as one node."""

    kind = "kafka"
    image = KAFKA_IMAGE
    preferred_port = KAFKA_PORT

    def _options(self, port: int) -> dict[str, Any]:
        # The same port inside and outside, so that the address the broker tells is right on both sides.
        node = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": "1@127.0.0.1:29093",
            "listeners": f"PLAINTEXT://0.0.0.0:{port},CONTROLLER://127.0.0.1:29093",
            "advertised.listeners": f"PLAINTEXT://{ports.HOST}:{port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": "/var/lib/kafka/data",
        }
        properties = node | BROKER_SETTINGS
        environment = {"KAFKA_" + key.replace(".", "_").upper(): value for key, value in properties.items()}
        environment["KAFKA_HEAP_OPTS"] = "-Xms256m -Xmx512m"
        # The id is part of the data in the volume: the same for every container made on it.
        environment["CLUSTER_ID"] = "b21zLWxvY2FsLWthZmthLQ"
        return {
            "ports": {f"{port}/tcp": (ports.HOST, port)},
            "environment": environment,
            "volumes": {self._name: {"bind": "/var/lib/kafka/data", "mode": "rw"}},
        }

    def _answers(self) -> bool:
        return ports.answers(self._port) and broker_count(self.address) > 0

    @property
    def address(self) -> str:
        return f"{ports.HOST}:{self._port}"

    @property
    def version(self) -> str:
        return kafka_version()


class ContainerPostgres(_Container):
    """PostgreSQL's official image."""

    kind = "postgres"
    image = POSTGRES_IMAGE
    preferred_port = POSTGRES_PORT

    def _options(self, port: int) -> dict[str, Any]:
        settings = SERVER_SETTINGS | {"shared_preload_libraries": "pg_stat_statements"}
        return {
            "ports": {"5432/tcp": (ports.HOST, port)},
            "environment": {
                "POSTGRES_USER": ADMIN,
                "POSTGRES_PASSWORD": self._instance.secret("postgres"),
                # The same sorting everywhere, whatever locale the image has.
                "POSTGRES_INITDB_ARGS": "--encoding=UTF8 --locale=C --data-checksums",
            },
            "command": [
                "postgres",
                *(word for key, value in settings.items() for word in ("-c", f"{key}={value}")),
            ],
            "volumes": {self._name: {"bind": "/var/lib/postgresql", "mode": "rw"}},
            "shm_size": "256m",
            "stop_signal": "SIGINT",
        }

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.address, connect_timeout=2):
            return True
        return False

    @property
    def address(self) -> str:
        password = self._instance.secret("postgres")
        return f"postgresql://{ADMIN}:{password}@{ports.HOST}:{self._port}/postgres"

    @property
    def version(self) -> str:
        return databases.server_version(self.address) if self.running() else POSTGRES_IMAGE.rpartition(":")[2]


class Containers:
    """Kafka and PostgreSQL from their official images."""

    name = "containers"

    def kafka(self, instance: Instance, *, any_port: bool) -> Server:
        return ContainerKafka(instance, any_port=any_port)

    def postgres(self, instance: Instance, *, any_port: bool) -> Server:
        return ContainerPostgres(instance, any_port=any_port)
