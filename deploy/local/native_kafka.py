"""Apache Kafka as a process of this machine: one KRaft node that is broker and controller."""

import asyncio
import base64
import os
import shutil
import signal
import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy.local import ports, processes
from deploy.local.downloads import java, kafka_jars, kafka_version
from deploy.local.errors import PlatformError
from deploy.local.instance import Instance
from deploy.local.progress import Report
from deploy.local.provider import Server, StopMode
from deploy.local.settings import LocalSettings

PREFERRED_PORT = 19092
_PATIENCE = 180.0
"""Seconds that a broker may take to answer on a machine that does much else; one that ends is noticed at once."""

BROKER_SETTINGS = {
    # The largest message is 1 MiB of body; headers, keys and a relay's batch need room above it.
    "message.max.bytes": "2097152",
    "replica.fetch.max.bytes": "2097152",
    "auto.create.topics.enable": "false",
    # The broker's clock stamps records, so no producer's clock jump can make a batch unsendable or keep it for ever.
    "log.message.timestamp.type": "LogAppendTime",
    # One node can hold one replica of anything; the defaults of three log errors for ever.
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # Fifty partitions each by default, which only slow down the start of a single node.
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # Consumers of a new group start at once instead of waiting three seconds for others.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "6000",
    # A killed broker's registration blocks its successor until it expires: nine seconds by default.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "1000",
    "num.io.threads": "2",
    "num.network.threads": "2",
}
"""What every local Kafka has, as a process or in a container."""

# The first compiler only: a local broker lives for minutes, in which the second one takes from two cores more than it
# gives back (0.7 against 0.4 ms of processor time per order in a benchmark's first half minute).
JAVA_OPTIONS = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Djava.awt.headless=true",
)

LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %c{1} %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""


class NativeKafka(Server):
    """Kafka from its published jars, with its data and settings below the instance's folder."""

    def __init__(self, instance: Instance, settings: LocalSettings, *, any_port: bool) -> None:
        self._instance = instance
        self._settings = settings
        self._preferred = None if any_port else PREFERRED_PORT
        self._folder = instance.folder / "kafka"
        self._properties = self._folder / "server.properties"
        self._log = instance.logs / "kafka.log"

    def start(self, report: Report) -> bool:
        if self.running():
            _wait_until_ready(self.address, patience=_PATIENCE)
            return False
        classpath = os.pathsep.join(str(jar) for jar in kafka_jars(self._settings, report))
        command = [str(java(self._settings, report)), *JAVA_OPTIONS, "-cp", classpath]
        with report.step(f"Kafka {self.version}: starting"):
            for _ in range(3):
                self._configure()
                self._format(command)
                logging = f"-Dlog4j2.configurationFile=file:{self._folder / 'log4j2.properties'}"
                record = processes.start(
                    [*command, logging, "kafka.Kafka", self._properties],
                    log=self._log,
                    folder=self._folder,
                    environment=os.environ | {"LC_ALL": "C"},
                )
                with self._instance.update() as state:
                    state.kafka.process = record
                if _wait_until_ready(self.address, patience=_PATIENCE, process=record):
                    return True
                if "Address already in use" not in _end_of(self._log):
                    break
            processes.stop(record, signal.SIGKILL)
            raise PlatformError(
                f"Kafka did not start; its log ends with: {(_end_of(self._log).splitlines() or ['nothing'])[-1]}",
                f"read {self._log}; if its data is damaged, `make down PURGE=1` starts from nothing",
            )

    def _configure(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._instance.update() as state:
            known = state.kafka
            port = ports.choose(known.port or self._preferred)
            known.port = port
            known.controller_port = ports.choose(
                known.controller_port or (None if self._preferred is None else port + 1), taken=[port]
            )
            controller = known.controller_port
        node = {
            "process.roles": "broker,controller",
            "node.id": "1",
            # A static quorum of one: unlike the recorded voters of a dynamic one it follows when ports change.
            "controller.quorum.voters": f"1@{ports.HOST}:{controller}",
            "listeners": f"PLAINTEXT://{ports.HOST}:{port},CONTROLLER://{ports.HOST}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{ports.HOST}:{port}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(self._folder / "data"),
        }
        lines = [f"{key}={value}" for key, value in (node | BROKER_SETTINGS).items()]
        self._properties.write_text("\n".join(lines) + "\n")
        (self._folder / "log4j2.properties").write_text(LOGGING)

    def _format(self, command: list[str]) -> None:
        done = self._folder / "formatted"
        if done.exists():
            return
        # A format that was interrupted leaves a folder that is neither empty nor usable.
        shutil.rmtree(self._folder / "data", ignore_errors=True)
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        tool = [*command, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._properties)]
        result = subprocess.run(tool, capture_output=True, text=True, check=False, cwd=self._folder)
        if result.returncode != 0:
            self._log.write_text(result.stdout + result.stderr)
            raise PlatformError("Kafka could not format its data folder", f"read {self._log}")
        done.touch()

    def _process(self) -> processes.ProcessRecord | None:
        record = self._instance.read().kafka.process
        if processes.alive(record):
            return record
        if not self._properties.exists():
            return None
        # A command that died between start and note leaves a server without a record.
        found = processes.find(self._properties)
        if found is not None:
            with self._instance.update() as state:
                state.kafka.process = found
        return found

    def stop(self, mode: StopMode = "fast") -> None:
        number = signal.SIGKILL if mode in ("kill", "immediate") else signal.SIGTERM
        processes.stop(self._process(), number, patience=30)
        with self._instance.update() as state:
            state.kafka.process = None

    def purge(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def running(self) -> bool:
        return self._process() is not None

    @property
    def address(self) -> str:
        return f"{ports.HOST}:{self._instance.read().kafka.port or self._preferred}"

    @property
    def version(self) -> str:
        return kafka_version()

    @property
    def pid(self) -> int | None:
        process = self._process()
        return None if process is None else process.pid


def _wait_until_ready(
    address: str, *, patience: float, process: processes.ProcessRecord | None = None
) -> bool:
    """Wait until the broker there answers with itself as a live broker; False if `process` ends before that."""
    deadline = time.monotonic() + patience
    port = int(address.rpartition(":")[2])
    while time.monotonic() < deadline:
        if process is not None and not processes.alive(process):
            return False
        ours = process is None or processes.listens(process, port)
        if ours and ports.answers(port) and broker_count(address):
            return True
        time.sleep(0.1)
    return False


def broker_count(address: str) -> int:
    """How many brokers the cluster there says it has; 0 if it does not answer."""

    async def ask() -> int:
        from aiokafka.admin import AIOKafkaAdminClient
        from aiokafka.errors import KafkaError

        client = AIOKafkaAdminClient(bootstrap_servers=address, request_timeout_ms=5_000)
        try:
            await client.start()
            return len((await client.describe_cluster())["brokers"])
        except (KafkaError, OSError, TimeoutError):
            return 0
        finally:
            await client.close()

    # In a thread of its own: the caller may be inside a running event loop.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(ask())).result()


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-4000:] if log.exists() else ""
