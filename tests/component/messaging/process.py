"""The tally service as a process, with a fault put around it: python -m ... ROLES FAULT SETTINGS (JSON).

Faults: `die-before-offsets` (SIGKILL between the commit of the database and that of the offsets), `die-after-send`
(SIGKILL between the broker's acknowledgement and the deletion of the outbox rows), `short-leash` (the server closes
the relay's session after two silent seconds), `slow` (a second per batch), `hang` (a handler never ends), `deaf` (the
client gives no records), `dead` (the loop that reads has ended), `no-farewell` (the client fails when it is stopped).
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from shared.messaging import relay
from shared.runtime.service import Service
from shared.runtime.settings import ServiceSettings
from shared.telemetry import logging
from tests.component.messaging.support import wrap_handler
from tests.harness.tally import build


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def deaf(_consumer: Any) -> tuple[Any, ...]:
    await asyncio.sleep(0.1)
    return ()


async def dead(_consumer: Any) -> tuple[Any, ...]:
    await asyncio.sleep(1)  # Until it has said that it is assigned.
    raise asyncio.CancelledError


def install(service: Service[Any, Any], fault: str) -> None:
    if fault == "die-before-offsets":
        handle = service.source._handle

        async def handled(records: Sequence[Any]) -> None:
            await handle(records)
            die()

        service.source._handle = handled
    elif fault == "die-after-send":
        relay._DELETE = "SELECT %b::bigint[]"
        for each in service.relays:
            each._trace = die  # type: ignore[method-assign]
    elif fault == "short-leash":
        relay._IDLE_SESSION_SECONDS = 2
    elif fault == "slow":

        async def slow(handler: Any, messages: Sequence[Any], tx: Any) -> None:
            await handler(messages, tx)
            print("in hand", file=sys.stderr, flush=True)
            await asyncio.sleep(1)

        wrap_handler(service, slow)
    elif fault == "hang":

        async def hang(*_: Any) -> None:
            await asyncio.Event().wait()

        wrap_handler(service, hang)
    elif fault == "deaf":
        service.source._subscriber.get_msg = deaf  # type: ignore[method-assign]
    elif fault == "dead":
        service.source._subscriber.get_msg = dead  # type: ignore[method-assign]
    elif fault == "no-farewell":
        stop = service.source.stop

        async def no_farewell() -> None:
            await stop()
            raise ExceptionGroup("cannot stop", [RuntimeError("the connection is closed")])

        service.source.stop = no_farewell  # type: ignore[method-assign]


async def main(roles: str, fault: str, settings: str) -> int:
    service = build(ServiceSettings(**json.loads(settings)))
    install(service, fault)
    return await service.run(roles.split(","))


if __name__ == "__main__":
    logging.configure("tally", "info")
    sys.exit(asyncio.run(main(*sys.argv[1:])))
