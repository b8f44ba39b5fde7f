"""What happens to service processes."""

import asyncio
import signal
from random import Random

from deploy.local.settings import SERVICES
from tests.chaos.faults.fault import Fault
from tests.chaos.fleet import Member, NoneFree
from tests.chaos.process import Control, Point
from tests.chaos.scene import Scene

_BEYOND_SESSION = 13.0
"""Seconds: longer than a consumer's session (10 s), so that its partitions go to others or wait."""
_BEYOND_LEASH = 20.0
"""Seconds: longer than a relay's connection may be silent (15 s), so that its lock goes to another."""
_REACHED_WITHIN = 20.0
"""Seconds after which a kill point counts as one that this process does not come by."""


async def killed(scene: Scene, chance: Random) -> str:
    """`kill -9` of any process."""
    with scene.fleet.hold(chance) as member:
        scene.fleet.kill(member)
        await _lives_again(member)
        return member.name


async def twin_killed(scene: Scene, chance: Random) -> str:
    """`kill -9` of one of two processes of a service."""
    with scene.fleet.hold(chance, scene.fleet.pairs()) as member:
        scene.fleet.kill(member)
        await _lives_again(member)
        return member.name


async def died_before_offsets(scene: Scene, chance: Random) -> str:
    """`kill -9` between the commit of the database and that of the offsets."""
    with scene.fleet.hold(chance) as member:
        return await _dies(scene, member, "before-offsets")


async def died_after_send(scene: Scene, chance: Random) -> str:
    """`kill -9` between the broker's acknowledgement and the deletion of what was sent."""
    leader = await scene.fleet.leader(chance.choice(SERVICES))
    if leader is None:
        raise NoneFree
    with scene.fleet.take(leader):
        return await _dies(scene, leader, "after-send")


async def _dies(scene: Scene, member: Member, point: Point) -> str:
    if not await scene.fleet.dies(member, Control(die=point), _REACHED_WITHIN):
        raise NoneFree  # It leads no relay any more, or has nothing to read.
    await _lives_again(member)
    return member.name


async def frozen(scene: Scene, chance: Random) -> str:
    """A process stops for longer than its consumer's session and goes on as if nothing had been."""
    with scene.fleet.hold(chance) as member:
        await _freeze(member, _BEYOND_SESSION)
        return member.name


async def leader_frozen(scene: Scene, chance: Random) -> str:
    """The process that leads a relay stops for longer than its lock lasts; its twin takes over."""
    service = chance.choice(sorted(scene.fleet.pairs()))
    leader = await scene.fleet.leader(service)
    if leader is None:
        raise NoneFree
    with scene.fleet.take(leader):
        await _freeze(leader, _BEYOND_LEASH)
        return leader.name


async def rolled(scene: Scene, chance: Random) -> str:
    """SIGTERM to every process of a service, one after the other, each time waiting until it is back."""
    service = chance.choice(sorted({member.service for member in scene.fleet.members}))
    for member in scene.fleet.members:
        if member.service == service:
            with scene.fleet.take(member):
                await scene.fleet.restart(member)
    return service


async def clock_jumped(scene: Scene, chance: Random) -> str:
    """The clock of a process jumps by an hour or a day, ahead or back, and later returns."""
    with scene.fleet.hold(chance) as member:
        offset = chance.choice((-86_400.0, -3_600.0, -5.0, 3_600.0, 86_400.0))
        member.tell(Control(clock=offset))
        try:
            await asyncio.sleep(chance.uniform(2, 5))
        finally:
            member.tell(None)
        return member.name


async def _lives_again(member: Member) -> None:
    """Until the supervisor has noticed; the rest is recovery."""
    life = member.lives
    while member.lives == life and member.doomed:
        await asyncio.sleep(0.02)


async def _freeze(member: Member, seconds: float) -> None:
    member.frozen = True
    member.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        member.signal(signal.SIGCONT)
        member.frozen = False


FAULTS = (
    Fault("process-killed", "kill -9 of any service process", killed),
    Fault("twin-killed", "kill -9 of one of two processes of a service", twin_killed),
    Fault("died-before-offsets", "kill -9 between database commit and offset commit", died_before_offsets),
    Fault("died-after-send", "kill -9 between a relay's send and delete", died_after_send),
    Fault("process-frozen", f"SIGSTOP for {_BEYOND_SESSION:.0f} s, longer than a session", frozen),
    Fault("leader-frozen", f"SIGSTOP of a relay's leader for {_BEYOND_LEASH:.0f} s", leader_frozen),
    Fault("rolling-restart", "SIGTERM to a service's processes, one after the other", rolled),
    Fault("clock-jumped", "a process is off by an hour or a day for some seconds", clock_jumped),
)
