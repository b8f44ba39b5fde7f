"""Throughput over time with the faults below it, and how long recovery took by kind."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

from tests.chaos.faults import FAULTS
from tests.chaos.pulse import WHOLE, Pulse
from tests.chaos.storm import Strike

_LINES = (
    ("submitted", "orders submitted", "#b8b8b8"),
    ("order.placed", "orders placed", "#6aaed6"),
    (WHOLE, "parcels created", "#1f5aa6"),
)
_AT_WORK, _RECOVERING, _LOST = "#c2452d", "#f0b9a8", "#000000"


def draw(pulse: Pulse, strikes: Sequence[Strike], path: Path) -> Path:
    """The picture of a run."""
    kinds = [kind for kind in FAULTS if any(strike.kind == kind for strike in strikes)]
    height = 3.0 + 0.26 * max(4, len(kinds))
    figure, (rates, lanes, times) = pyplot.subplots(
        3, 1, figsize=(13, 4 + 2 * height - 2), height_ratios=(4, height, height), layout="constrained"
    )
    seconds = 2.0 if pulse.now < 600 else 5.0
    for name, label, colour in _LINES:
        series = pulse.series(name, seconds)
        rates.plot(
            [n * seconds for n in range(len(series))], series, color=colour, label=label, linewidth=1.2
        )
    if WHOLE in pulse.usual:
        rates.axhline(0.9 * pulse.usual[WHOLE], color=_AT_WORK, linewidth=0.8, linestyle=":")
        rates.text(0, 0.9 * pulse.usual[WHOLE], " 90 % of parcels before the faults", fontsize=7, va="bottom")
    for strike in strikes:
        rates.axvspan(
            strike.began, max(strike.lifted, strike.began + 0.3), color=_AT_WORK, alpha=0.12, linewidth=0
        )
    # Warming up goes as fast as it can, and what waited comes in bursts: the rate in between is what is looked at.
    highest = 4 * max((pulse.usual.get(name, 0.0) for name, _, _ in _LINES), default=0.0)
    rates.set(ylabel="per second", xlim=(0, pulse.now), ylim=(0, highest or None),
              title="Throughput; shaded while a fault is at work")  # fmt: skip
    rates.legend(fontsize=8, loc="upper right")
    for strike in strikes:
        row = kinds.index(strike.kind)
        lanes.barh(row, max(strike.lifted - strike.began, 0.5), left=strike.began, color=_AT_WORK, height=0.7)
        if strike.recovery is None:
            lanes.plot(strike.lifted, row, marker="x", color=_LOST)
        else:
            lanes.barh(row, strike.recovery, left=strike.lifted, color=_RECOVERING, height=0.7)
            times.plot(strike.recovery, row, marker="o", markersize=4, alpha=0.6,
                       color="#1f5aa6" if not strike.together else "#b8b8b8")  # fmt: skip
    for axes in (lanes, times):
        axes.set_yticks(range(len(kinds)), kinds, fontsize=8)
        axes.set_ylim(len(kinds) - 0.5, -0.5)
        axes.grid(axis="x", alpha=0.3)
        axes.set_axisbelow(True)
    lanes.set(xlabel="seconds", title="Faults at work (dark) and until the rate was back (light)")
    lanes.set_xlim(rates.get_xlim())
    times.set(xlabel="seconds from the end of the fault until 90 % of the rate", xlim=(-0.5, None),
              title="Recovery (blue: alone, grey: others at work as well)")  # fmt: skip
    rates.grid(alpha=0.3)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
    return path
