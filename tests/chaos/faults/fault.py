"""What a fault is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Literal

from tests.chaos.pulse import OF, WHOLE
from tests.chaos.scene import Scene

Resource = Literal["kafka", "postgres", "messages"]


class Impossible(Exception):
    """This machine cannot do that to its servers; says why."""


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    `strike` does harm, lets it last, undoes it, and returns what was struck. A killed process is undone by being
    killed: to start it again is its supervisor's, and belongs to the recovery.
    """

    kind: str
    story: str
    strike: Callable[[Scene, Random], Awaitable[str]]
    needs: Resource | None = None
    """What no two faults may work on at the same time."""
    lasting: bool = False
    """Lasts for about a minute or more."""

    def pulse(self, struck: str) -> str:
        """The event whose rate tells of recovery: what the struck service says, or an order's way through most."""
        return OF.get(struck.split("-")[0], WHOLE)
