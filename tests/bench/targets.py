"""What was to be reached, and whether it was."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

Entries = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Target:
    """One row: how its figure follows from scenarios, and its bounds."""

    what: str
    figure: Callable[[Entries], float]
    must: float | None
    aim: float
    unit: str
    at_most: bool = False

    def met(self, value: float, bound: float | None) -> bool:
        """Whether the value keeps the bound."""
        if bound is None:
            return True
        return value <= bound if self.at_most else value >= bound


def _best(entries: Entries) -> float:
    return max(
        entry["orders_per_second"]
        for name, entry in entries.items()
        if name in ("baseline-64", "baseline-256", "baseline-1000")
    )


def _spread(entries: Entries) -> float:
    """Orders/s over many SKUs, before and after those of one: tables grow meanwhile, and machines change their pace."""
    return sum(entries[name]["orders_per_second"] for name in ("closed-1000", "spread-again")) / 2


def _soaked(entries: Entries) -> float:
    """The worse of latency (p50) and memory of all services: last minute against the second."""
    slices = [piece for piece in entries["soak"]["over_time"] if piece["figures"]]
    second = [piece for piece in slices if 60 < piece["seconds"] <= 120]
    last = [piece for piece in slices if piece["seconds"] > slices[-1]["seconds"] - 60]

    def mean(pieces: Sequence[Mapping[str, Any]], value: Callable[[Mapping[str, Any]], float]) -> float:
        return sum(map(value, pieces)) / len(pieces)

    def memory(piece: Mapping[str, Any]) -> float:
        return sum(mb for name, mb in piece["rss_mb"].items() if name not in ("kafka", "postgres", "client"))

    latency = mean(last, lambda piece: piece["figures"]["p50_ms"]) / mean(
        second, lambda piece: piece["figures"]["p50_ms"]
    )
    return max(latency, mean(last, memory) / mean(second, memory))


TARGETS = (
    Target("orders/s at 256 in flight, ratio to the baseline",
           lambda e: e["closed-256"]["orders_per_second"] / e["baseline-256"]["orders_per_second"], 8, 11, "x"),
    Target("orders/s at 1,000 in flight, ratio to the baseline's best",
           lambda e: e["closed-1000"]["orders_per_second"] / _best(e), 11, 20, "x"),
    Target("orders/s at 1,000 in flight", lambda e: e["closed-1000"]["orders_per_second"], None, 2500, "/s"),
    Target("CPU per order at 1,000 in flight, services + PostgreSQL",
           lambda e: sum(e["closed-1000"]["cpu_ms_per_order"][group] for group in ("services", "postgres")),
           1.2, 0.6, "ms", at_most=True),
    Target("one in flight, p50, ratio to the baseline",
           lambda e: e["closed-1"]["p50_ms"] / e["baseline-1"]["p50_ms"], 3, 3, "x", at_most=True),
    Target("one in flight, p50", lambda e: e["closed-1"]["p50_ms"], None, 30, "ms", at_most=True),
    Target("p99 at 80 % of the maximum, open loop", lambda e: e["open-80"]["p99_ms"], 1000, 300, "ms", at_most=True),
    Target("hot SKU against spread",
           lambda e: e["hot-sku"]["orders_per_second"] / _spread(e), 0.9, 1.0, "x"),
    Target("HTTP intake alone", lambda e: e["http-intake"]["orders_per_second"], 700, 1500, "/s"),
    Target("soak: last minute against the second, p50 and memory", _soaked, 1.2, 1.05, "x", at_most=True),
)  # fmt: skip


def judged(scenarios: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every target for which its scenarios ran."""
    entries = {entry["name"]: entry for entry in scenarios}
    rows = []
    for target in TARGETS:
        try:
            value = target.figure(entries)
        except (KeyError, ValueError, IndexError, ZeroDivisionError):
            continue
        rows.append(
            {"what": target.what, "value": round(value, 3), "unit": target.unit, "must": target.must, "aim": target.aim,
             "met": target.met(value, target.must), "aim_met": target.met(value, target.aim)}
        )  # fmt: skip
    return rows


def show(scenarios: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Say what was reached."""
    rows = judged(scenarios)
    if rows:
        console.print("\n[bold]what was to be reached[/]")
    for row in rows:
        below = (
            "below the aim" if row["must"] is None else "[yellow]must[/]" if row["met"] else "[red]missed[/]"
        )
        verdict = "[green]aim[/]" if row["aim_met"] else below
        bounds = f"must {row['must'] or '-':<7} aim {row['aim']:<6g}"
        console.print(f"  {row['what']:62} {row['value']:10,.2f} {row['unit']:3} {bounds} {verdict}",
                      highlight=False, soft_wrap=True)  # fmt: skip
