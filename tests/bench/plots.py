"""Plots of a run: latency against throughput, where processor time goes, the soak over time."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

_GROUPS = ("orders", "inventory", "fulfillment", "returns", "notifications", "postgres", "kafka", "client")
_COLOURS = ("#1f5aa6", "#3b82c4", "#6aaed6", "#a6cfe8", "#cfe3f2", "#d98032", "#8a8a8a", "#d0d0d0")


def draw(results: Mapping[str, Any], folder: Path) -> list[Path]:
    """Every plot for which there are figures."""
    scenarios = results["scenarios"]
    drawn = [latency(scenarios, folder / "bench-latency.png"), split(scenarios, folder / "bench-cpu.png")]
    soaked = next((entry for entry in scenarios if entry["name"] == "soak" and entry["over_time"]), None)
    if soaked is not None:
        drawn.append(soak(soaked, folder / "bench-soak.png"))
    return drawn


def latency(scenarios: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Latency of every load at the throughput it had; closed loops are joined."""
    figure, axes = pyplot.subplots(figsize=(8, 5))
    for begins, label, marker, line in (
        ("baseline-", "baseline, closed loop", "s", "--"), ("closed-", "suite, closed loop", "o", "-"),
        ("open-", "suite, open loop", "^", ""),
    ):  # fmt: skip
        found = [
            entry
            for entry in scenarios
            if entry["name"].startswith(begins) and entry["name"] != "baseline-hot"
        ]
        if not found:
            continue
        rates = [entry["orders_per_second"] for entry in found]
        (drawn,) = axes.plot(
            rates, [entry["p50_ms"] for entry in found], marker=marker, linestyle=line, label=f"{label}, p50"
        )
        axes.plot(rates, [entry["p99_ms"] for entry in found], marker=marker, linestyle=line, color=drawn.get_color(),
                  alpha=0.45, label=f"{label}, p99")  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="orders per second", ylabel="intake to recorded shipment, ms")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=8)
    return _save(figure, path)


def split(scenarios: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Processor time per order by group of processes; the baseline's bars are too long for the same axis."""
    figure, columns = pyplot.subplots(1, 2, figsize=(11, 5))
    for axes, system in zip(columns, ("baseline", "ours"), strict=True):
        found = [entry for entry in scenarios if entry["system"] == system and entry["in_flight"] != 1]
        below = [0.0] * len(found)
        for group, colour in zip(_GROUPS, _COLOURS, strict=True):
            values = [entry["cpu_ms_per_order"].get(group, 0.0) for entry in found]
            if any(values):
                axes.bar([entry["name"] for entry in found], values, bottom=below, color=colour, label=group)
                below = [low + value for low, value in zip(below, values, strict=True)]
        axes.set(title=system, ylabel="processor ms per order")
        axes.tick_params(axis="x", rotation=75, labelsize=8)
        if found:
            axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return _save(figure, path)


_ON_DISK = {"table_bytes": "tables", "index_bytes": "indexes"}


def soak(entry: Mapping[str, Any], path: Path) -> Path:
    """Latency, memory and table size while a rate is kept up."""
    slices = [piece for piece in entry["over_time"] if piece["figures"]]
    minutes = [piece["seconds"] / 60 for piece in slices]
    figure, (upper, middle, lower) = pyplot.subplots(3, 1, figsize=(8, 9), sharex=True)
    for key in ("p50_ms", "p99_ms"):
        upper.plot(minutes, [piece["figures"][key] for piece in slices], label=key.removesuffix("_ms"))
    upper.set(ylabel="latency, ms", ylim=(0, None))
    for group in slices[0]["rss_mb"]:
        middle.plot(minutes, [piece["rss_mb"][group] for piece in slices], label=group)
    middle.set(ylabel="memory, MB", ylim=(0, None))
    for key in _ON_DISK:
        sums = [sum(tables.get(key, 0) for tables in piece["tables"].values()) / 2**20 for piece in slices]
        lower.plot(minutes, sums, label=_ON_DISK[key])
    lower.set(xlabel="minutes", ylabel="on disk, MB", ylim=(0, None))
    for axes in (upper, middle, lower):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return _save(figure, path)


def _save(figure: Any, path: Path) -> Path:
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return path
