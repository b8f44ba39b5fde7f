"""The table while it runs, `build/bench.json`, and the plots."""

import importlib.metadata
import json
import platform as python
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console

from deploy.local import Platform
from deploy.local.settings import ROOT
from tests.bench import plots
from tests.bench.measure.machine import describe

RESULTS = ROOT / "build" / "bench.json"
_LIBRARIES = ("faststream", "aiokafka", "sqlalchemy", "psycopg", "asyncpg", "pydantic", "fastapi", "uvloop")
_SETTINGS = (
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "shared_buffers",
    "max_wal_size",
    "checkpoint_timeout",
    "autovacuum_naptime",
)

_COLUMNS = (
    ("scenario", 15), ("orders/s", 9), ("p50", 8), ("p95", 8), ("p99", 8), ("max", 8), ("services", 9), ("postgres", 9),
    ("kafka", 7), ("client", 7), ("stmts", 7), ("commits", 8), ("WAL kB", 7), ("msgs", 6), ("kB", 6),
    ("invariants", 11),
)  # fmt: skip


class Table:
    """A line per scenario as soon as it is done."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun = False

    def add(self, result: Mapping[str, Any]) -> None:
        """Print a scenario's line."""
        if not self._begun:
            self._begun = True
            self._console.print(
                "\nlatencies in ms; processor ms per order; statements, commits, WAL, messages, kB per order"
            )
            self._line([name for name, _ in _COLUMNS])
        cpu = result["cpu_ms_per_order"]
        self._line(
            [
                result["name"], f"{result['orders_per_second']:,.0f}",
                *(f"{result[key]:,.1f}" for key in ("p50_ms", "p95_ms", "p99_ms", "max_ms")),
                *(f"{cpu[group]:.2f}" for group in ("services", "postgres", "kafka", "client")),
                _or_dash(result["statements_per_order"]), f"{result['commits_per_order']:.2f}",
                f"{result['wal_bytes_per_order'] / 1000:.1f}", f"{result['messages_per_order']:.1f}",
                f"{result['bytes_per_order'] / 1000:.1f}", "hold" if result["invariants_ok"] else "BROKEN",
            ]
        )  # fmt: skip
        for name, verdict in result["invariants"].items():
            if not verdict["ok"]:
                self._console.print(
                    f"  [red]broken[/] {name}: {verdict['detail']}", highlight=False, soft_wrap=True
                )

    def _line(self, cells: list[str]) -> None:
        line = " ".join(
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, (_, width)) in enumerate(zip(cells, _COLUMNS, strict=True))
        )
        self._console.print(line, highlight=False, soft_wrap=True)


def machine() -> dict[str, object]:
    """What it runs on, before anything runs."""
    return dict(describe())


def about(platform: Platform, machine: Mapping[str, object]) -> dict[str, Any]:
    """Machine, versions and what the database promises."""
    libraries = {}
    for name in _LIBRARIES:
        try:
            libraries[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    with psycopg.connect(platform.admin_url) as connection:
        settings = {name: str(connection.execute(f"SHOW {name}").fetchone()[0]) for name in _SETTINGS}  # type: ignore[index]
    return {
        "machine": dict(machine),
        "versions": {"python": python.python_version(), **platform.versions, **libraries},
        "postgres_settings": settings,
    }


def write(results: Mapping[str, Any], into: Path) -> None:
    """The figures so far."""
    into.parent.mkdir(parents=True, exist_ok=True)
    into.write_text(json.dumps(results, indent=1) + "\n")


def draw(results: Mapping[str, Any], into: Path) -> None:
    """The plots, beside the figures."""
    plots.draw(results, into.parent)


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
