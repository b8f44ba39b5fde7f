"""What every system on the bench shows."""

import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from deploy.local import Platform, processes
from deploy.local.processes import ProcessRecord
from deploy.local.settings import ROOT
from deploy.local.topics import remove

LOGS = ROOT / "build" / "bench-logs"


@dataclass
class System:
    """A system that runs on fresh databases and topics, until `stop`."""

    name: str
    platform: Platform
    prefix: str
    databases: dict[str, str]
    """Address of each service's database, for libpq, as its owner."""
    running: dict[str, list[ProcessRecord]] = field(default_factory=dict)
    """Processes by service."""
    http: str | None = None
    """Where orders takes POST /orders."""
    metrics: dict[str, list[str]] = field(default_factory=dict)
    """Addresses of each service's /metrics."""

    def recorded(self, parcels: int) -> str:
        """A query with a list of order ids: those of which so many shipments are recorded."""
        raise NotImplementedError

    def start(self) -> None:
        """Start every process and wait until all are ready."""
        raise NotImplementedError

    def admin(self, service: str) -> str:
        """Address of a service's database as the platform's own role: what it does there is told apart by that."""
        return make_conninfo(
            self.platform.admin_url.replace("postgresql+psycopg://", "postgresql://", 1),
            dbname=conninfo_to_dict(self.databases[service])["dbname"],
        )

    def launch(
        self, service: str, command: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> ProcessRecord:
        """Start one process of a service."""
        record = processes.start(
            [sys.executable, *command], log=log, folder=ROOT, environment=os.environ | dict(environment)
        )
        self.running.setdefault(service, []).append(record)
        return record

    def halt(self) -> None:
        """End all processes; databases and topics stay."""
        records = [record for records in self.running.values() for record in records]
        with ThreadPoolExecutor(max(1, len(records))) as pool:
            list(pool.map(lambda record: processes.stop(record, patience=40), records))
        self.running.clear()

    def stop(self) -> None:
        """End all processes and delete databases and topics."""
        self.halt()
        for url in self.databases.values():
            self.platform.drop_database(url)
        remove(self.platform.kafka, prefix=self.prefix)

    def dead(self) -> list[str]:
        """Services of which a process ended by itself."""
        return [
            name for name, records in self.running.items() if not all(processes.alive(r) for r in records)
        ]

    def analyze(self) -> None:
        """Give the planner figures of the tables as they were loaded."""
        for service in self.databases:
            with psycopg.connect(self.admin(service), autocommit=True) as connection:
                connection.execute("ANALYZE")


def libpq(url: str) -> str:
    """An address as psycopg itself understands it."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
