"""PostgreSQL as the stores see it, in memory: the same `Session`, rows in dictionaries, no I/O.

The services' real stores run on it unchanged. What it promises is what `test_sessions.py` asks of both, and what
`test_mirror.py` compares statement by statement with a real server: unique and check constraints, defaults,
identities and sequences, order, JSON as `jsonb` keeps it, and transactions that happen wholly or not at all.
Not there: locks (one transaction at a time is what a simulation has), widths of columns, triggers, plans.
"""

from tests.simulation.memory.database import Database
from tests.simulation.memory.session import MemorySession

__all__ = ["Database", "MemorySession"]
