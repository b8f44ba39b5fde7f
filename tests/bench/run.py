"""One scenario: the load generator beside a system, samples at its marks, and the figures that follow from them."""

import asyncio
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from deploy.local.settings import ROOT
from tests.bench.figures import Window, figures
from tests.bench.load.settings import LoadSettings, Mark
from tests.bench.measure import kafka, machine, metrics, postgres
from tests.bench.measure.machine import Usage
from tests.bench.measure.postgres import Postgres
from tests.bench.profile import Profile
from tests.bench.scenarios import Scenario
from tests.bench.systems import System
from tests.bench.systems.system import LOGS


class Failed(Exception):
    """A run that has no figures: a process ended, or the generator met what it should not."""


@dataclass
class Run:
    """What a run left: its figures, and what was submitted, for the invariants."""

    result: dict[str, Any]
    name: str
    """How its external ids begin."""
    mark: Mark


@dataclass
class Sample:
    """Everything that is counted, at one moment."""

    at: float
    ended: int
    groups: dict[str, Usage]
    postgres: postgres.Counted
    kafka: kafka.Ends
    metrics: metrics.Counters


@dataclass
class Sampler:
    """Takes samples of a system and of the load generator that drives it."""

    system: System
    counters: Postgres
    client: int
    backends: tuple[int, ...] = ()
    over_time: list[dict[str, Any]] = field(default_factory=list)

    def groups(self) -> dict[str, Usage]:
        """Usage of each service, Kafka, PostgreSQL without the generator's sessions, and the client with them."""
        platform, own = self.system.platform, (*self.backends, self.counters.backend)
        found = {
            service: machine.usage([record.pid for record in records])
            for service, records in self.system.running.items()
        }
        if platform.kafka_pid:
            found["kafka"] = machine.usage([platform.kafka_pid])
        if platform.postgres_pid:
            found["postgres"] = machine.usage([platform.postgres_pid], but=own)
        load, sessions = machine.alone([self.client, os.getpid()]), machine.alone(own)
        found["client"] = Usage(load.cpu_seconds + sessions.cpu_seconds, load.rss_mb + sessions.rss_mb)
        return found

    def take(self, mark: Mark) -> Sample:
        """Count everything now."""
        system = self.system
        groups, counted = self.groups(), self.counters.count()
        ends = asyncio.run(kafka.ends(system.platform.kafka, system.prefix))
        return Sample(time.perf_counter(), mark.ended, groups, counted, ends, metrics.read(system.metrics))

    def glance(self, mark: Mark) -> None:
        """Note what may change over time."""
        groups = self.groups()
        tables: dict[str, Any] = {}
        for service in self.system.databases:
            sizes = postgres.sizes(self.system.admin(service))
            tables[service] = {
                key: sum(table[key] for table in sizes.values()) for key in next(iter(sizes.values()), {})
            }
        self.over_time.append(
            {
                "seconds": round(mark.seconds, 1),
                "ended": mark.ended,
                "figures": mark.figures.model_dump() if mark.figures else None,
                "rss_mb": {name: round(used.rss_mb, 1) for name, used in groups.items()},
                "cpu_seconds": {name: round(used.cpu_seconds, 2) for name, used in groups.items()},
                "tables": tables,
            }
        )


def run(
    system: System, scenario: Scenario, *, rate: float | None, brief: float = 1.0, profiled: bool = False
) -> Run:
    """Drive `system` as the scenario says. `rate` is for open loops; `brief` shortens warm-up and window."""
    name = f"{scenario.name}-{secrets.token_hex(2)}"
    settings = LoadSettings(
        kafka=system.platform.kafka, prefix=system.prefix, orders_database=system.admin("orders"),
        recorded=system.recorded(scenario.workload.parcels), run=name, workload=scenario.workload,
        intake=scenario.intake, ends=scenario.ends,
        http=system.http, in_flight=scenario.in_flight, rate=rate, backlog=scenario.backlog,
        warm_up=scenario.warm_up * brief, seconds=scenario.seconds * (1 if scenario.backlog else brief),
    )  # fmt: skip
    if scenario.backlog:
        system.halt()
    with (
        closing(Postgres(system.platform.admin_url, system.databases)) as counters,
        _generator(settings, name) as load,
    ):
        sampler = Sampler(system, counters, load.pid)
        samples: dict[str, Sample] = {}
        result: Mark | None = None
        profile: Profile | None = None
        for mark in _marks(load):
            if mark.what == "connected":
                sampler.backends = mark.backends
            elif mark.what == "loaded":
                system.start()
            elif mark.what in ("begin", "end"):
                samples[mark.what] = sampler.take(mark)
                if profiled and mark.what == "begin":
                    pids = {
                        name: [record.pid for record in records] for name, records in system.running.items()
                    }
                    profile = Profile(pids, settings.seconds, name)
            elif mark.what == "slice":
                sampler.glance(mark)
            else:
                result = mark
        if load.wait() != 0 or result is None:
            raise Failed(f"the load generator ended with {load.returncode}: {_tail(name)}")
    if dead := system.dead():
        raise Failed(f"{', '.join(dead)} ended during {scenario.name}; read {LOGS}")
    outcome = _figures(system, scenario, rate, samples, result, sampler)
    if profile is not None:
        outcome["profile"] = profile.finish()
    return Run(outcome, name, result)


def _figures(
    system: System,
    scenario: Scenario,
    rate: float | None,
    samples: dict[str, Sample],
    result: Mark,
    sampler: Sampler,
) -> dict[str, Any]:
    begin, end = samples["begin"], samples["end"]
    sizes = asyncio.run(kafka.bytes_per_message(system.platform.kafka, system.prefix, begin.kafka, end.kafka))
    window = Window(
        seconds=end.at - begin.at,
        orders=end.ended - begin.ended,
        groups=(begin.groups, end.groups),
        spent=postgres.spent(begin.postgres, end.postgres),
        messages=kafka.messages(begin.kafka, end.kafka),
        bytes_per_message=sizes,
        batches=metrics.batches(begin.metrics, end.metrics),
    )
    return figures(system.name, scenario, rate, result, window, sampler.over_time)


class _generator:
    """The load generator's process, for as long as the block."""

    def __init__(self, settings: LoadSettings, name: str) -> None:
        LOGS.mkdir(parents=True, exist_ok=True)
        with (LOGS / f"load-{name}.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.load"], cwd=ROOT, text=True, bufsize=1,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write(settings.model_dump_json() + "\n")
        self._process.stdin.flush()

    def __enter__(self) -> "subprocess.Popen[str]":
        return self._process

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


def _marks(load: "subprocess.Popen[str]") -> Iterator[Mark]:
    assert load.stdout is not None
    for line in load.stdout:
        yield Mark.model_validate_json(line)


def _tail(name: str) -> str:
    lines = (LOGS / f"load-{name}.log").read_text(errors="replace").strip().splitlines()
    return " / ".join(lines[-3:])
