"""The command line of the tally service, as `python -m services.<name>` is that of a real one."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic_settings import SettingsConfigDict
from typer.testing import CliRunner

from shared.runtime.cli import create_app
from shared.runtime.settings import ServiceSettings
from shared.telemetry import logging
from tests.harness.tally import build


class Settings(ServiceSettings):
    """Environment variables `OMS_TALLY_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="OMS_TALLY_", frozen=True, extra="ignore")


@dataclass
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Awaitable[Said]]
"""Runs one command in a thread of this process."""


def command_line(kafka: str, prefix: str, database_url: str) -> Command:
    """Commands with these settings; `database_url` may be another one for a single command."""
    environment = {"OMS_TALLY_KAFKA": kafka, "OMS_TALLY_TOPIC_PREFIX": prefix}

    async def run(*arguments: object, stdin: str | None = None, database_url: str = database_url) -> Said:
        app = create_app("tally", Settings, build)
        where = environment | {"OMS_TALLY_DATABASE_URL": database_url}
        result = await asyncio.to_thread(
            CliRunner().invoke, app, [str(word) for word in arguments], env=where, input=stdin
        )
        logging.configure("tests", "info")  # The command had its own way, to an output that is gone now.
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(result.exit_code, result.stdout, result.stderr)

    return run
