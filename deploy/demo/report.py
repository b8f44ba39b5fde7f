"""The verdict, for people and as build/demo.json."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.demo.datasets.model import Dataset
from deploy.demo.display import shown
from deploy.demo.invariants import Verdict
from deploy.demo.play import Played


def as_json(
    played: Played, verdicts: Mapping[str, Verdict], platform: Mapping[str, Mapping[str, str]], *,
    mails: int, dead_letters: int,
) -> dict[str, Any]:  # fmt: skip
    """The report's figures; the keys are fixed, others may read them."""
    book = played.book
    times = book.percentiles((50, 95, 99))
    accepted = len(book.accepted)
    return {
        "orders_submitted": book.submitted,
        "orders_accepted": accepted,
        "duplicates": book.duplicates,
        "refused": book.refusals,
        "completed": book.seen["order.completed"],
        "cancelled": book.seen["order.cancelled"],
        "shipments": book.seen["shipment.created"],
        "delivered": book.seen["shipment.delivered"],
        "returns": book.seen["return.received"],
        "refunds": book.seen["refund.issued"],
        "mails": mails,
        "seconds": round(played.seconds, 2),
        "orders_per_second": round(accepted / played.seconds, 2),
        "latency_ms": {f"p{percent}": value for percent, value in times.items()},
        "dead_letters": dead_letters,
        "invariants": {
            name: {"ok": verdict.ok, "detail": verdict.detail} for name, verdict in verdicts.items()
        },
        "platform": {server: dict(known) for server, known in platform.items()},
    }


def write(report: Mapping[str, Any], path: Path) -> None:
    """Replace the report file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def show(report: Mapping[str, Any], played: Played, dataset: Dataset, console: Console) -> None:
    """The summary and every invariant with its figures."""
    figures = {name: value for name, value in report.items() if isinstance(value, int | float)}
    figures |= {f"latency {name} (ms)": value for name, value in report["latency_ms"].items()}
    console.print("\n[bold]What happened[/]")
    console.print(shown({name.replace("_", " "): value for name, value in figures.items()}))
    for title, counts in (
        ("Refused, and why", played.book.reasons),
        ("Changed or left out of the data set", dataset.told),
        ("On the way", played.book.told),
    ):
        if counts.total():
            console.print(f"\n[bold]{title}[/]")
            console.print(shown({name: count for name, count in counts.most_common() if count}))
    console.print("\n[bold]What has to be true[/]")
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2))
    for name, verdict in report["invariants"].items():
        table.add_row(
            "[green]holds[/]" if verdict["ok"] else "[red]BROKEN[/]",
            name.replace("_", " "),
            verdict["detail"],
        )
    console.print(table)


def show_order(order: Mapping[str, Any], console: Console) -> None:
    """One order whole: what it is, and everything that happened to it."""
    money = f"total {order['total']}, captured {order['captured']}, paid back {order['refunds']}"
    console.print(
        f"\n[bold]One order from end to end[/]: {order['channel']} {order['external_id']}", highlight=False
    )
    console.print(
        f"{order['order_id']}: {order['state']}, {len(order['lines'])} lines, {len(order['shipments'])} parcels, "
        f"{order['currency']} in minor units: {money}",
        highlight=False,
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    for column in ("at", "", "what", "with"):
        table.add_column(column, overflow="fold")
    for entry in order["timeline"]:
        detail = ", ".join(
            f"{name} {value}" for name, value in entry["detail"].items() if value not in (None, "", {})
        )
        at = str(entry["at"]).replace("T", " ")[:23]
        table.add_row(at, "said" if entry["said"] else "heard", entry["kind"], detail)
    console.print(table)
