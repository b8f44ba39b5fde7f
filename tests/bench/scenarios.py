"""What is measured, one entry each, in the order in which it runs."""

from dataclasses import dataclass
from typing import Literal

from tests.bench.load.settings import Workload

Stage = Literal["baseline", "suite", "pairs", "intake"]
"""What runs: the baseline; all five services, one process each; two each; orders alone, without its consumer."""


PLAIN = Workload()


@dataclass(frozen=True)
class Scenario:
    """One run of the load generator. One of `in_flight`, `share`, `backlog` paces it."""

    name: str
    stage: Stage
    about: str
    in_flight: int | None = None
    share: float | None = None
    """Of the highest rate that a closed loop of this stage reached: an open loop."""
    backlog: int | None = None
    workload: Workload = PLAIN
    intake: Literal["topic", "http"] = "topic"
    ends: Literal["recorded", "accepted"] = "recorded"
    warm_up: float = 6.0
    seconds: float = 20.0
    short: bool = False
    """Part of the short set."""

    @property
    def system(self) -> Literal["baseline", "ours"]:
        """Whose figures these are."""
        return "baseline" if self.stage == "baseline" else "ours"


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("baseline-1", "baseline", "one order at a time", in_flight=1, short=True),
    Scenario("baseline-64", "baseline", "64 orders under way", in_flight=64),
    Scenario("baseline-256", "baseline", "256 orders under way", in_flight=256, short=True),
    Scenario("baseline-1000", "baseline", "1,000 orders under way", in_flight=1000, warm_up=12, short=True),
    Scenario("baseline-hot", "baseline", "256 under way, all of one SKU", in_flight=256, workload=Workload(skus="hot")),
    Scenario("closed-1", "suite", "one order at a time", in_flight=1, short=True),
    Scenario("closed-64", "suite", "64 orders under way", in_flight=64),
    Scenario("closed-256", "suite", "256 orders under way", in_flight=256, short=True),
    Scenario("closed-1000", "suite", "1,000 orders under way: the maximum", in_flight=1000, short=True),
    Scenario("hot-sku", "suite", "1,000 under way, all of one SKU", in_flight=1000,
             workload=Workload(skus="hot"), short=True),
    Scenario("spread-again", "suite", "1,000 under way once more: hot-sku has the same on either side", in_flight=1000,
             short=True),
    Scenario("open-50", "suite", "open loop at half of the maximum", share=0.50),
    Scenario("open-80", "suite", "open loop at 80 % of the maximum", share=0.80, short=True),
    Scenario("open-95", "suite", "open loop at 95 % of the maximum", share=0.95),
    Scenario("lines-20", "suite", "20 lines over 3 places, 256 under way", in_flight=256,
             workload=Workload(skus="split", lines=20, parcels=3)),
    Scenario("shortage", "suite", "half of the orders refused for want of stock", in_flight=1000,
             workload=Workload(scarce_share=0.5)),
    Scenario("cancel-10", "suite", "10 % cancelled by their channel", in_flight=1000,
             workload=Workload(cancel_share=0.1)),
    Scenario("http", "suite", "orders come over POST /orders", in_flight=1000, intake="http"),
    Scenario("backlog", "suite", "100,000 orders wait on their topic before services start", backlog=100_000,
             seconds=300),
    Scenario("soak", "suite", "ten minutes at 70 % of the maximum", share=0.70, seconds=600),
    Scenario("two-processes", "pairs", "two processes per service, 1,000 under way", in_flight=1000, warm_up=10),
    Scenario("http-intake", "intake", "POST /orders alone over 64 connections, until 202", in_flight=64, intake="http",
             ends="accepted", short=True),
)  # fmt: skip


def chosen(names: str | None, *, short: bool) -> list[Scenario]:
    """Scenarios by their names (comma-separated; a system's name means all of it), the short set, or all.

    Raises ValueError that lists what there is.
    """
    if names:
        wanted = [name.strip() for name in names.split(",") if name.strip()]
        unknown = sorted(set(wanted) - {word for scenario in SCENARIOS for word in _words(scenario)})
        if unknown:
            there_is = ", ".join(scenario.name for scenario in SCENARIOS)
            raise ValueError(
                f"no scenario {', '.join(unknown)}; there are {there_is}, and `baseline` and `ours`"
            )
        return [scenario for scenario in SCENARIOS if _words(scenario) & set(wanted)]
    return [scenario for scenario in SCENARIOS if scenario.short or not short]


def _words(scenario: Scenario) -> set[str]:
    return {scenario.name, scenario.system}
