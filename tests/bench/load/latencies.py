"""Latencies in an HdrHistogram: three significant digits from 10 microseconds to 10 minutes."""

from hdrh.histogram import HdrHistogram

from tests.bench.load.settings import Figures


class Latencies:
    """Counts seconds and answers in milliseconds."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, 60_000_000, 3)  # in units of 10 microseconds

    def add(self, seconds: float) -> None:
        """Count one."""
        self._histogram.record_value(max(1, round(seconds * 100_000)))

    def figures(self) -> Figures:
        """Percentiles so far."""
        at = self._histogram.get_value_at_percentile
        return Figures(
            orders=self._histogram.get_total_count(),
            p50_ms=at(50) / 100, p95_ms=at(95) / 100, p99_ms=at(99) / 100, max_ms=at(100) / 100,
        )  # fmt: skip

    def reset(self) -> None:
        """Begin anew."""
        self._histogram.reset()
