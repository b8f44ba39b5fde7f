"""One platform's folder: its data, logs, ports, passwords and process ids. Platforms in two folders never meet."""

import fcntl
import json
import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ValidationError

from deploy.local.errors import PlatformError
from deploy.local.processes import ProcessRecord


class ServerState(BaseModel):
    """What is remembered of Kafka or PostgreSQL between commands."""

    provider: str | None = None
    port: int | None = None
    controller_port: int | None = None
    process: ProcessRecord | None = None
    data: Path | None = None


class ServiceState(BaseModel):
    """What is remembered of one service's process."""

    port: int
    process: ProcessRecord
    surroundings: str
    """A digest of the addresses and the code it was started with; when it differs, it must be started again."""


class State(BaseModel):
    """Everything that is remembered between commands, except secrets."""

    kafka: ServerState = ServerState()
    postgres: ServerState = ServerState()
    services: dict[str, ServiceState] = {}
    owner: ProcessRecord | None = None
    """The process this platform was made for, if it is to end with it (tests)."""


class Instance:
    """A platform's folder on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._threads = threading.RLock()

    def __repr__(self) -> str:
        return f"Instance({str(self.folder)!r})"

    @property
    def logs(self) -> Path:
        return self.folder / "log"

    def read(self) -> State:
        """The state as last written; an unreadable file counts as none, since everything in it can be found again."""
        try:
            return State.model_validate_json((self.folder / "state.json").read_bytes())
        except (FileNotFoundError, ValidationError):
            return State()

    @contextmanager
    def update(self) -> Iterator[State]:
        """Read, change, write back; one at a time across threads and processes."""
        with self._threads, self._lock("state.lock"):
            state = self.read()
            yield state
            write_private(self.folder / "state.json", state.model_dump_json(indent=2))

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Only one command at a time starts or stops things here; a second one waits."""
        with self._lock("command.lock"):
            yield

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        self.prepare()
        with (self.folder / name).open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def prepare(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.logs.mkdir(exist_ok=True)
        except OSError as error:
            raise PlatformError(
                f"cannot write to {self.folder}: {error.strerror}",
                "make the folder writable or set OMS_LOCAL to another one",
            ) from error

    def secret(self, name: str) -> str:
        """A random password, made at first use and kept in a file that only its owner can read."""
        with self._threads, self._lock("state.lock"):
            known = self._secrets()
            if name not in known:
                known[name] = secrets.token_urlsafe(24)
                write_private(self.folder / "secrets.json", json.dumps(known, indent=2))
            return known[name]

    def has_secret(self, name: str) -> bool:
        return name in self._secrets()

    def forget_secrets(self) -> None:
        """After the data they guard is gone."""
        (self.folder / "secrets.json").unlink(missing_ok=True)

    def _secrets(self) -> dict[str, str]:
        try:
            known: dict[str, str] = json.loads((self.folder / "secrets.json").read_text())
        except FileNotFoundError:
            return {}
        return known

    def remove(self) -> None:
        """Delete the folder and all its data. Nothing may be running in it."""
        data = self.read().postgres.data
        for folder in (data, self.folder):
            if folder is not None and folder.exists():
                shutil.rmtree(folder, ignore_errors=True)


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; readers see the old or the new text, and nobody else may read it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)
