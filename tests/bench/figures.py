"""From counters to figures per order: the entries of `build/bench.json`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.load.settings import Mark
from tests.bench.measure.machine import Usage
from tests.bench.measure.postgres import Spent
from tests.bench.scenarios import Scenario

NOT_SERVICES = ("kafka", "postgres", "client")
_STATEMENTS_SHOWN = 25


@dataclass(frozen=True)
class Window:
    """What happened between two samples."""

    seconds: float
    orders: int
    groups: tuple[Mapping[str, Usage], Mapping[str, Usage]]
    spent: Spent
    messages: Mapping[str, int]
    bytes_per_message: Mapping[str, float]
    batches: Mapping[str, float]


def figures(
    system: str,
    scenario: Scenario,
    rate: float | None,
    result: Mark,
    window: Window,
    over_time: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The entry of one scenario; `invariants_ok` is added when they were asked."""
    latency = result.figures
    assert latency is not None
    orders = max(1, window.orders)
    spent = window.spent
    return {
        "name": scenario.name,
        "system": system,
        "about": scenario.about,
        "in_flight": scenario.in_flight,
        "rate": None if rate is None else round(rate, 1),
        "seconds": round(result.seconds, 2),
        "orders": result.ended,
        "orders_per_second": round(result.ended / result.seconds, 1),
        "p50_ms": latency.p50_ms,
        "p95_ms": latency.p95_ms,
        "p99_ms": latency.p99_ms,
        "max_ms": latency.max_ms,
        "cpu_ms_per_order": _cpu(window, orders),
        "cores_used": round(sum(_cpu_seconds(window).values()) / window.seconds, 2),
        "rss_mb": {name: round(used.rss_mb, 1) for name, used in window.groups[1].items()},
        "statements_per_order": _per(spent.statements, orders),
        "control_statements_per_order": _per(spent.control, orders),
        "commits_per_order": _per(spent.commits, orders),
        "wal_bytes_per_order": round(spent.wal_bytes / orders),
        "messages_per_order": _per(sum(window.messages.values()), orders),
        "bytes_per_order": round(
            sum(count * window.bytes_per_message.get(topic, 0) for topic, count in window.messages.items())
            / orders
        ),
        "messages_by_topic": {
            topic: round(count / orders, 3) for topic, count in sorted(window.messages.items())
        },
        "bytes_per_message": {topic: round(size) for topic, size in sorted(window.bytes_per_message.items())},
        "batch_sizes": dict(window.batches),
        "statements": _top(spent, orders),
        "submitted": result.submitted,
        "unfinished": result.unfinished,
        "unexpected": result.unexpected,
        "over_time": list(over_time),
    }


def _cpu_seconds(window: Window) -> dict[str, float]:
    before, after = window.groups
    none = Usage(0.0, 0.0)
    return {
        name: max(0.0, used.cpu_seconds - before.get(name, none).cpu_seconds) for name, used in after.items()
    }


def _cpu(window: Window, orders: int) -> dict[str, float]:
    each = {name: seconds * 1000 / orders for name, seconds in _cpu_seconds(window).items()}
    services = {name: value for name, value in each.items() if name not in NOT_SERVICES}
    sums = {"services": sum(services.values())} | {name: each.get(name, 0.0) for name in NOT_SERVICES}
    return {name: round(value, 3) for name, value in (sums | services).items()}


def _per(count: int | None, orders: int) -> float | None:
    return None if count is None else round(count / orders, 3)


def _top(spent: Spent, orders: int) -> list[dict[str, Any]]:
    """The statements that took PostgreSQL most time."""
    ranked = sorted(spent.by_statement.items(), key=lambda item: -item[1][2])[:_STATEMENTS_SHOWN]
    return [
        {
            "service": service,
            "query": " ".join(query.split())[:300],
            "calls_per_order": round(calls / orders, 4),
            "rows_per_call": round(rows / calls, 1),
            "ms_per_call": round(milliseconds / calls, 3),
            "us_per_order": round(milliseconds * 1000 / orders, 2),
        }
        for (service, query), (calls, rows, milliseconds) in ranked
    ]
