"""All faults by kind."""

from collections.abc import Mapping

from tests.chaos.faults import broker, database, messages, network, processes
from tests.chaos.faults.fault import Fault, Impossible, Resource

FAULTS: Mapping[str, Fault] = {
    fault.kind: fault
    for module in (processes, broker, database, network, messages)
    for fault in module.FAULTS
}
"""Every fault that there is."""

__all__ = ["FAULTS", "Fault", "Impossible", "Resource"]
