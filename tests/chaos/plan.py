"""Which faults strike, how often, in which order: the same for the same seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tests.chaos.faults import FAULTS

QUICK, LASTING = 20, 3
"""How often each kind strikes in the long form."""
_SHORT_ALONE = (
    "process-killed", "died-before-offsets", "died-after-send", "twin-killed", "broker-killed", "postgres-stopped",
    "kafka-cut", "postgres-cut", "connections-terminated", "poison", "retention", "copies", "clock-jumped",
)  # fmt: skip
"""What the short form tries: everything that is over within seconds and kills or repeats something."""


@dataclass(frozen=True)
class Plan:
    """What is to be done, and within how many seconds."""

    warm_up: float
    """Seconds of one look at how much this machine does."""
    warm_ups: int
    """Looks at most."""
    calm: float
    alone: Sequence[str]
    """Kinds, one after the other, each with its recovery."""
    together: Sequence[str]
    """Kinds, several at a time."""
    seconds: float
    """For all faults; what does not fit is left out."""
    seconds_together: float
    """Of these for those together."""


def planned(seed: int, *, short: bool, only: Sequence[str], rounds: int | None, apart: bool = False) -> Plan:
    """The plan; `apart`: nothing together. Raises ValueError naming kinds that there are not."""
    unknown = sorted(set(only) - set(FAULTS))
    if unknown:
        raise ValueError(f"no such fault: {', '.join(unknown)}; there are {', '.join(FAULTS)}")
    chance = Random(seed)
    if only:
        alone = [kind for _ in range(rounds or 3) for kind in _shuffled(only, chance)]
        together = _shuffled(only, chance) if len(only) > 1 and not apart else []
        return Plan(15.0, 6, 5.0, alone, together, 3_000.0, 600.0)
    if short:
        alone = _shuffled(_SHORT_ALONE, chance)
        return Plan(8.0, 4, 4.0, alone, _shuffled(_SHORT_ALONE, chance) * 2, 110.0, 40.0)
    quick = [kind for kind, fault in FAULTS.items() if not fault.lasting]
    lasting = [kind for kind, fault in FAULTS.items() if fault.lasting]
    alone = [kind for _ in range(2) for kind in _shuffled(quick, chance)] + _shuffled(lasting, chance)
    together = _shuffled(quick * (QUICK - 2) + lasting * (LASTING - 1), chance)
    return Plan(20.0, 6, 20.0, alone, together, 3_150.0, 2_000.0)


def _shuffled(kinds: Sequence[str], chance: Random) -> list[str]:
    return chance.sample(list(kinds), len(kinds))
