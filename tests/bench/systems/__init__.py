"""The systems that are measured: how each is set up, and where its processes, databases and records are."""

from tests.bench.systems.baseline import Baseline
from tests.bench.systems.ours import Ours
from tests.bench.systems.system import System

__all__ = ["Baseline", "Ours", "System"]
