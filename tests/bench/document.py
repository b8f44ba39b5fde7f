"""python -m tests.bench.document: puts the figures of a run into docs/performance.md and its plots beside it."""

import json
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.local.settings import ROOT
from tests.bench.report import RESULTS
from tests.bench.scenarios import SCENARIOS

PAGE = ROOT / "docs" / "performance.md"
_BEGIN, _END = "<!-- figures: written by tests/bench/document.py -->", "<!-- end of figures -->"


def document(
    results: Annotated[Path, typer.Argument(help="The figures of `make bench`.")] = RESULTS,
    page: Annotated[Path, typer.Option(help="The page that tells of them.")] = PAGE,
) -> None:
    """Replace the figures in a page with those of a run."""
    if not results.exists():
        typer.echo(f"error: {results} is not there; run make bench first", err=True)
        sys.exit(1)
    run = json.loads(results.read_text())
    text = page.read_text()
    before, begun, rest = text.partition(_BEGIN)
    _, ended, after = rest.partition(_END)
    if not (begun and ended):
        typer.echo(f"error: {page} has no place for figures: a line {_BEGIN} and a line {_END}", err=True)
        sys.exit(1)
    plots = []
    for plot in sorted(results.parent.glob("bench-*.png")):
        target = page.parent / "performance" / plot.name.removeprefix("bench-")
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(plot, target)
        plots.append(f"![{target.stem}](performance/{target.name})")
    parts = [_about(run), _targets(run["targets"]), _scenarios(run["scenarios"]), *plots]
    page.write_text(before + begun + "\n\n" + "\n\n".join(parts) + "\n\n" + ended + after)


def _about(run: Mapping[str, Any]) -> str:
    machine = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in run["machine"].items())
    versions = ", ".join(f"{name} {_version(version)}" for name, version in run["versions"].items())
    settings = ", ".join(f"{name} {value}" for name, value in run["postgres_settings"].items())
    return f"Machine: {machine}. Versions: {versions}. PostgreSQL: {settings}. Whole run: {run['minutes']} minutes."


def _version(version: str | Mapping[str, str]) -> str:
    return version if isinstance(version, str) else f"{version['version']} ({version['provider']})"


def _targets(targets: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            target["what"],
            f"{target['value']:,.2f} {target['unit']}",
            target["must"] or "",
            target["aim"],
            _verdict(target),
        )
        for target in targets
    ]
    return _table(("what was to be reached", "figure", "must", "aim", "reached"), rows)


def _verdict(target: Mapping[str, Any]) -> str:
    if target["aim_met"]:
        return "aim"
    if target["must"] is None:
        return "below the aim"
    return "yes" if target["met"] else "**no**"


def _scenarios(results: Sequence[Mapping[str, Any]]) -> str:
    about = {scenario.name: scenario.about for scenario in SCENARIOS}
    rows = []
    for result in results:
        cpu, rss = result["cpu_ms_per_order"], result["rss_mb"]
        services = sum(mb for name, mb in rss.items() if name not in ("kafka", "postgres", "client"))
        statements = result["statements_per_order"]
        rows.append(
            (
                f"{result['name']}: {about[result['name']]}",
                f"{result['orders_per_second']:,.0f}",
                *(f"{result[key]:,.0f}" for key in ("p50_ms", "p95_ms", "p99_ms", "max_ms")),
                *(f"{cpu[group]:.2f}" for group in ("services", "postgres", "kafka", "client")),
                f"{services:,.0f}",
                "-" if statements is None else f"{statements:.2f}",
                f"{result['commits_per_order']:.2f}",
                f"{result['wal_bytes_per_order'] / 1000:.1f}",
                f"{result['messages_per_order']:.1f}",
                f"{result['bytes_per_order'] / 1000:.1f}",
                "hold" if result["invariants_ok"] else "**broken**",
            )
        )
    heads = (
        "scenario", "orders/s", "p50 ms", "p95", "p99", "max", "CPU ms/order: services", "PostgreSQL", "Kafka",
        "client", "services MB", "statements", "commits", "WAL kB", "messages", "message kB", "invariants",
    )  # fmt: skip
    return _table(heads, rows)


def _table(heads: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    typer.run(document)
