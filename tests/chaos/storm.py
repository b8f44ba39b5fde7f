"""The faults, one after the other and then together, and how long it took to recover from each."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

import psycopg
from aiokafka.errors import KafkaError

from tests.chaos.faults import FAULTS, Fault, Impossible
from tests.chaos.fleet import NoneFree
from tests.chaos.plan import Plan
from tests.chaos.pulse import Pulse
from tests.chaos.scene import Scene

_PATIENCE = 180.0
"""Seconds within which the rate must be back; those in which another fault is at work do not count."""
_LOOK_AGAIN = 0.25
_ABREAST = 3
"""Faults at work at the same time, at most."""
_IN_THE_WAY = (KafkaError, psycopg.OperationalError, OSError, TimeoutError)
"""What a fault meets when the server that it needs to ask is just away because of another one."""
_FREE_WITHIN = 60.0
"""Seconds for which a fault looks for something to strike."""


@dataclass
class Strike:
    """One fault that struck. Moments are seconds since the beginning of the run."""

    kind: str
    struck: str
    began: float
    lifted: float
    together: bool
    """Whether others were at work as well, so that the recovery is not only its own."""
    recovery: float | None = None
    """Seconds from its end until the rate was back; None if it was not."""


@dataclass
class Storm:
    """Strikes as planned."""

    scene: Scene
    plan: Plan
    chance: Random
    say: Callable[[str], None]
    strikes: list[Strike] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """Kinds that could not be tried here, and why."""
    under_way: Counter[str] = field(default_factory=Counter)
    _busy: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Everything that is planned, as far as there is time."""
        until = self.pulse.now + self.plan.seconds
        for kind in self.plan.alone:
            if self.pulse.now > until - self.plan.seconds_together:
                break
            await self._strike(FAULTS[kind], together=False)
            await asyncio.sleep(self.chance.uniform(0.5, 2.0))
        await self._together(self.plan.together, until)

    async def _together(self, kinds: Sequence[str], until: float) -> None:
        waiting, tasks = list(kinds), set[asyncio.Task[None]]()
        try:
            while (waiting or self.under_way) and self.pulse.now < until:
                fits = next((kind for kind in waiting if self._fits(FAULTS[kind])), None)
                if fits is None or self.under_way.total() >= _ABREAST:
                    await asyncio.sleep(_LOOK_AGAIN)
                    continue
                waiting.remove(fits)
                tasks.add(asyncio.create_task(self._strike_or_wait(fits, waiting)))
                await asyncio.sleep(self.chance.uniform(0.5, 4.0))
                _raise_first(tasks)
            while tasks:
                done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                _raise_first(done)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _strike_or_wait(self, kind: str, waiting: list[str]) -> None:
        """What finds nothing to strike has its turn again when all others had theirs."""
        if not await self._strike(FAULTS[kind], together=True):
            waiting.append(kind)

    def _fits(self, fault: Fault) -> bool:
        return fault.needs not in self._busy

    async def _strike(self, fault: Fault, *, together: bool) -> bool:
        """Strike and wait for the recovery; False if there was nothing to strike."""
        if fault.kind in self.skipped:
            return True
        began = self.pulse.now
        try:
            struck = await self._struck(fault)
        except Impossible as reason:
            self.skipped[fault.kind] = str(reason)
            self.say(f"[yellow]SKIPPED[/] {fault.kind}: {reason}")
            return True
        except NoneFree:
            return False
        strike = Strike(fault.kind, struck, began, self.pulse.now, together or bool(self.under_way))
        self.strikes.append(strike)
        strike.recovery = await self._recovery(fault.pulse(struck), strike.lifted)
        took = "[red]not recovered[/]" if strike.recovery is None else f"back after {strike.recovery:.1f} s"
        held = strike.lifted - strike.began
        self.say(f"{self.pulse.now:6.0f} s  {fault.kind} of {struck}, {held:.1f} s: {took}")
        return True

    async def _struck(self, fault: Fault) -> str:
        """Strike now; a fault that finds nothing to strike looks again for a while. Raises NoneFree, Impossible."""
        if fault.needs is not None:
            self._busy.add(fault.needs)
        self.under_way[fault.kind] += 1
        try:
            until = self.pulse.now + _FREE_WITHIN
            while True:
                try:
                    return await fault.strike(self.scene, self.chance)
                except (NoneFree, *_IN_THE_WAY) as error:
                    if self.pulse.now > until:
                        raise NoneFree from error
                    if not isinstance(error, NoneFree):
                        self.say(f"{self.pulse.now:6.0f} s  {fault.kind} met {error!r:.200} and tries again")
                    await asyncio.sleep(_LOOK_AGAIN)
        finally:
            self.under_way -= Counter([fault.kind])
            if fault.needs is not None:
                self._busy.discard(fault.needs)

    async def _recovery(self, event: str, since: float) -> float | None:
        calm, looked = 0.0, since
        while True:
            now = self.pulse.now
            back = self.pulse.back(event, since, looked)
            if back is not None or calm >= _PATIENCE:
                return back
            looked = now
            await asyncio.sleep(_LOOK_AGAIN)
            calm += 0.0 if self.under_way else self.pulse.now - now

    @property
    def pulse(self) -> Pulse:
        """The scene's."""
        return self.scene.pulse


def _raise_first(tasks: "set[asyncio.Task[None]]") -> None:
    for task in tasks:
        if task.done():
            task.result()
