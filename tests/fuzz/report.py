"""What was tried, what became of it, and what should not have happened."""

import json
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_SHOWN = 1_500
_EXAMPLES = 3


@dataclass
class Finding:
    """Something that should not have happened: how often, and the inputs that showed it first."""

    kind: str
    what: str
    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass
class Report:
    """One run. `outcomes` counts per kind of input what became of them; a finding is a fault of ours."""

    seed: int
    wanted: int
    outcomes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    findings: dict[tuple[str, str], Finding] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    def count(self, kind: str, outcome: str, inputs: int = 1) -> None:
        """So many inputs of this kind ended like this."""
        self.outcomes[kind][outcome] += inputs

    def found(self, kind: str, what: str, example: object = "") -> None:
        """A fault, by a short name that is the same each time, with the input that showed it."""
        finding = self.findings.setdefault((kind, what), Finding(kind, what))
        finding.count += 1
        if len(finding.examples) < _EXAMPLES:
            finding.examples.append(
                ascii(example)[:_SHOWN] if not isinstance(example, str) else example[:_SHOWN]
            )

    def check(self, kind: str, ok: object, what: str, example: object = "") -> None:
        """A fault unless `ok`."""
        if not ok:
            self.found(kind, what, example)

    @property
    def inputs(self) -> int:
        """How many inputs were tried so far."""
        return sum(counter.total() for counter in self.outcomes.values())

    def lines(self) -> list[str]:
        """The findings, for people."""
        return [
            f"[{each.kind}] {each.count} x {each.what}\n      e.g. {each.examples[0] if each.examples else ''}"
            for each in self.findings.values()
        ]

    def write(self, path: Path) -> None:
        """The report file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        body = {
            "seed": self.seed,
            "inputs": self.inputs,
            "seconds": round(time.monotonic() - self.started, 1),
            "kinds": {
                kind: {"inputs": counter.total(), "outcomes": dict(counter.most_common())}
                for kind, counter in self.outcomes.items()
            },
            "findings": [vars(each) for each in self.findings.values()],
            **self.notes,
        }
        path.write_text(json.dumps(body, indent=2) + "\n")
