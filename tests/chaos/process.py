"""python -m tests.chaos.process SERVICE SETTINGS (JSON): a service as deployed, with faults put around its ports.

What goes wrong and when is read from the control file, which the chaos run writes:

- `{"die": "before-offsets"}`: SIGKILL between the commit of the database and that of the offsets
- `{"die": "after-send"}`: SIGKILL between the broker's acknowledgement and the deletion of the outbox rows
- `{"clock": 3600}`: this process believes that it is an hour later

Connections to the broker are led to the port of the proxy, whatever address the broker gives. The process ends when
the run that started it has died.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import uuid_utils
import uvloop
from aiokafka import client
from pydantic import BaseModel

from shared.messaging import relay
from shared.runtime.service import Service
from shared.runtime.settings import ServiceSettings, load
from shared.telemetry import logging

_LOOK_AGAIN = 0.05

Point = Literal["before-offsets", "after-send"]


class Surroundings(BaseModel):
    """What the run tells a process."""

    control: Path
    ports: dict[int, int] = {}
    """Where connections to a broker's port are led instead."""


class Control(BaseModel):
    """What is to go wrong in a process from now on."""

    die: Point | None = None
    clock: float = 0.0


class Faults:
    """Reads the control file and does what it says."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._control = Control()
        self._parent = os.getppid()

    def install(self, service: Service[Any, Any]) -> None:
        """Put the faults around the service's ports. Fails when a port is no longer where it was."""
        self._at_points(service)
        self._in_time()
        connect = client.create_conn

        async def led(host: str, port: int, **options: Any) -> Any:
            return await connect(host, self._surroundings.ports.get(port, port), **options)

        client.create_conn = led

    def _at_points(self, service: Service[Any, Any]) -> None:
        handle, send = service.source._handle, relay._send

        async def handled(records: Sequence[Any]) -> None:
            await handle(records)
            self._reached("before-offsets")

        async def sent(producer: Any, batch: Any) -> None:
            await send(producer, batch)
            self._reached("after-send")

        service.source._handle = handled
        relay._send = sent

    def _reached(self, point: Point) -> None:
        if self._control.die == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def _in_time(self) -> None:
        now, now_ns, uuid7 = time.time, time.time_ns, uuid_utils.uuid7

        def later() -> float:
            return now() + self._control.clock

        def later_ns() -> int:
            return now_ns() + int(self._control.clock * 1e9)

        def uuid7_later(*, nanoseconds: int | None = None) -> uuid_utils.UUID:
            return uuid7(nanoseconds=later_ns() if nanoseconds is None else nanoseconds)

        time.time, time.time_ns = later, later_ns
        uuid_utils.uuid7 = uuid7_later

    async def watch(self) -> None:
        """Follow the control file until cancelled."""
        changed = 0
        while os.getppid() == self._parent:
            try:
                found = self._surroundings.control.stat().st_mtime_ns
            except FileNotFoundError:
                found, self._control = 0, Control()
            if found and found != changed:
                self._control = Control.model_validate_json(self._surroundings.control.read_bytes())
            changed = found
            await asyncio.sleep(_LOOK_AGAIN)
        os._exit(1)  # The run has died.


async def run(name: str, surroundings: Surroundings) -> int:
    """The service until SIGTERM; returns its exit code."""
    settings: type[ServiceSettings] = import_module(f"services.{name}.settings").Settings
    values = load(settings)
    logging.configure(name, values.log_level)
    service: Service[Any, Any] = import_module(f"services.{name}.app").build(values)
    faults = Faults(surroundings)
    faults.install(service)
    watching = asyncio.create_task(faults.watch())
    try:
        return await service.run()
    finally:
        watching.cancel()


if __name__ == "__main__":
    sys.exit(uvloop.run(run(sys.argv[1], Surroundings.model_validate(json.loads(sys.argv[2])))))
