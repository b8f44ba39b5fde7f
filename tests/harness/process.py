"""Modules as processes of their own: what they log, how they end, and signals on the way."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from deploy.local import Platform

ROOT = Path(__file__).parents[2]


class Process:
    """A process that runs, and the log lines it has written so far."""

    def __init__(self, process: asyncio.subprocess.Process, log: list[dict[str, Any]]) -> None:
        self.pid = process.pid
        self.log = log
        self._process = process

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def ended(self, patience: float = 60.0) -> int:
        """Its exit code; it must end by itself."""
        return await asyncio.wait_for(self._process.wait(), patience)

    def said(self, event: str) -> list[dict[str, Any]]:
        """Log lines with this text."""
        return [line for line in self.log if line.get("event") == event]


def surroundings(platform: Platform, service: str, database_url: str, **more: Any) -> dict[str, str]:
    """A service's environment: its database, this Kafka, a free port; `more` are further settings by name."""
    prefix = f"OMS_{service.upper()}_"
    own = {"database_url": database_url, "kafka": platform.kafka, "http_port": 0} | more
    others = {name: value for name, value in os.environ.items() if not name.startswith("OMS_")}
    return others | {prefix + name.upper(): str(value) for name, value in own.items()}


@asynccontextmanager
async def spawned(
    module: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Process]:
    """Starts `python -m module arguments`; killed at the end of the block unless it ended by itself."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments,
        cwd=ROOT, env=dict(os.environ if environment is None else environment),
        stderr=asyncio.subprocess.PIPE, limit=2**20,
    )  # fmt: skip
    log: list[dict[str, Any]] = []
    reading = asyncio.create_task(_read(child, log))
    try:
        yield Process(child, log)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
        await reading


async def _read(child: asyncio.subprocess.Process, log: list[dict[str, Any]]) -> None:
    assert child.stderr is not None
    async for line in child.stderr:
        try:
            log.append(json.loads(line))
        except ValueError:
            log.append({"event": line.decode(errors="replace").strip()})
