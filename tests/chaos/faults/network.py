"""What happens between the services and their servers."""

import asyncio
from random import Random

from tests.chaos.faults.fault import Fault, Resource
from tests.chaos.proxy import Mode, Order
from tests.chaos.scene import Scene

_DELAY = 0.2
"""Seconds, in each direction."""
_TRICKLE = 20_000
"""Bytes per second and direction: a page of messages takes many seconds."""


async def cut(scene: Scene, server: Resource) -> str:
    """All connections are reset at once."""
    scene.network.order(Order(server=server, cut=True))
    return server


async def treated(scene: Scene, server: Resource, mode: Mode, seconds: float) -> str:
    """All connections are treated so for a while."""
    scene.network.order(Order(server=server, mode=mode))
    try:
        await asyncio.sleep(seconds)
    finally:
        scene.network.order(Order(server=server, mode=Mode()))
    return server


def _faults(server: Resource) -> tuple[Fault, ...]:
    async def is_cut(scene: Scene, chance: Random) -> str:
        return await cut(scene, server)

    async def is_delayed(scene: Scene, chance: Random) -> str:
        return await treated(scene, server, Mode(delay=_DELAY), chance.uniform(4, 8))

    async def trickles(scene: Scene, chance: Random) -> str:
        return await treated(scene, server, Mode(rate=_TRICKLE), chance.uniform(4, 8))

    return (
        Fault(f"{server}-cut", f"connections to {server} reset", is_cut, server),
        Fault(f"{server}-delayed", f"{_DELAY} s each way to {server}", is_delayed, server),
        Fault(f"{server}-trickle", f"{_TRICKLE:,} bytes/s to {server}", trickles, server),
    )


FAULTS = (*_faults("kafka"), *_faults("postgres"))
