"""What came of it: build/chaos.json, a table for people, and the exit code."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.chaos.faults import FAULTS
from tests.chaos.storm import Storm


def of_faults(storm: Storm) -> list[dict[str, Any]]:
    """Per kind: how often, how often recovered from, and the longest recovery; what could not be tried says why."""
    found: list[dict[str, Any]] = []
    for kind in FAULTS:
        strikes = [strike for strike in storm.strikes if strike.kind == kind]
        if not strikes and kind not in storm.skipped:
            continue
        recoveries = [strike.recovery for strike in strikes if strike.recovery is not None]
        alone = [strike.recovery for strike in strikes if strike.recovery is not None and not strike.together]
        entry: dict[str, Any] = {
            "kind": kind,
            "count": len(strikes),
            "recovered": len(recoveries),
            "recovery_seconds_max": round(max(recoveries), 2) if recoveries else None,
            "recovery_seconds_max_alone": round(max(alone), 2) if alone else None,
        }
        if kind in storm.skipped:
            entry["skipped"] = storm.skipped[kind]
        found.append(entry)
    return found


def write(report: Mapping[str, Any], path: Path) -> None:
    """Replace the report file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def show(report: Mapping[str, Any], console: Console) -> None:
    """Figures, faults and verdicts."""
    if report["error"]:
        console.print(f"\n[red]ended early:[/] {report['error']}", highlight=False, soft_wrap=True)
        console.print("what follows was judged while work was still under way", highlight=False)
    orders = ", ".join(f"{count:,} {name}" for name, count in report["orders"].items())
    console.print(
        f"\n[bold]Orders[/]: {orders}; {report['orders_per_second']:.1f}/s offered", highlight=False
    )
    console.print(
        f"copies dropped by inboxes {report['inbox_duplicates']:,}, parked {report['parked']:,}",
        highlight=False,
    )
    table = Table("fault", "count", "recovered", "longest", "alone", box=None, pad_edge=False, padding=(0, 2))
    for fault in report["faults"]:
        table.add_row(
            fault["kind"], str(fault["count"]), str(fault["recovered"]), _seconds(fault["recovery_seconds_max"]),
            fault.get("skipped") or _seconds(fault["recovery_seconds_max_alone"]),
        )  # fmt: skip
    console.print(table)
    verdicts = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2))
    for name, found in report["invariants"].items():
        word = "[green]holds[/]" if found["ok"] else "[red]BROKEN[/]"
        verdicts.add_row(word, name.replace("_", " "), found["detail"])
    console.print(verdicts)
    if report["error"]:  # Once more, where who reads only the end sees it.
        console.print(f"\n[red]ended early:[/] {report['error']}", highlight=False, soft_wrap=True)


def sound(report: Mapping[str, Any]) -> bool:
    """Whether everything that was tried held."""
    return not report["error"] and all(found["ok"] for found in report["invariants"].values())


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
