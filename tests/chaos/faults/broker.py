"""What happens to Kafka."""

import asyncio
import os
import signal
from random import Random

from tests.chaos.faults.fault import Fault, Impossible
from tests.chaos.scene import Scene

_FROZEN = 13.0
"""Seconds: longer than the session of any consumer (10 s)."""
_AWAY = 120.0


async def killed(scene: Scene, chance: Random) -> str:
    """`kill -9` and start."""
    await asyncio.to_thread(scene.platform.stop_kafka, "kill")
    await asyncio.to_thread(scene.platform.start_kafka)
    return "kafka"


async def restarted(scene: Scene, chance: Random) -> str:
    """An orderly stop and start."""
    await asyncio.to_thread(scene.platform.stop_kafka)
    await asyncio.to_thread(scene.platform.start_kafka)
    return "kafka"


async def frozen(scene: Scene, chance: Random) -> str:
    """SIGSTOP for longer than consumers' sessions."""
    pid = scene.platform.kafka_pid
    if pid is None:
        raise Impossible("Kafka is no process of this machine")
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(_FROZEN)
    finally:
        os.kill(pid, signal.SIGCONT)
    return "kafka"


async def away(scene: Scene, chance: Random) -> str:
    """Two minutes without a broker."""
    await asyncio.to_thread(scene.platform.stop_kafka, "kill")
    try:
        await asyncio.sleep(_AWAY)
    finally:
        await asyncio.to_thread(scene.platform.start_kafka)
    return "kafka"


FAULTS = (
    Fault("broker-killed", "kill -9 of the broker and start", killed, "kafka"),
    Fault("broker-restarted", "orderly stop and start of the broker", restarted, "kafka"),
    Fault(
        "broker-frozen", f"SIGSTOP of the broker for {_FROZEN:.0f} s, longer than a session", frozen, "kafka"
    ),
    Fault("broker-away", "no broker for two minutes", away, "kafka", lasting=True),
)
