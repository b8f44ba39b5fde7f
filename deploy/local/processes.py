"""Processes that outlive the command that started them: started detached, found again, stopped by record.

A process id alone proves nothing: ids are reused. So a record holds what else identifies a process (boot and start
time), and nothing is trusted or signalled unless both agree.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
from pydantic import BaseModel

_children: dict[int, "subprocess.Popen[bytes]"] = {}


class ProcessRecord(BaseModel):
    """A process as it was when it started."""

    pid: int
    identity: str


def identity_of(pid: int) -> str | None:
    """What tells this process from every other that has or will have its id; None when it does not live."""
    try:
        process = psutil.Process(pid)
        # A process is called a zombie as soon as its first thread has ended, while others may still hold its port.
        if process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1:
            return None
        if Path("/proc/self/stat").exists():
            # Ticks since boot do not move when somebody sets the clock, unlike psutil's creation time.
            stat = Path(f"/proc/{pid}/stat").read_text()
            started = stat.rpartition(")")[2].split()[19]
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            return f"{boot}:{started}"
        return f"{process.create_time():.2f}"
    except (psutil.Error, OSError):
        return None


def record_of(pid: int) -> ProcessRecord | None:
    """A record of a process that lives now."""
    identity = identity_of(pid)
    return None if identity is None else ProcessRecord(pid=pid, identity=identity)


def alive(record: ProcessRecord | None) -> bool:
    """Whether exactly this process still runs (a zombie without threads does not)."""
    if record is None:
        return False
    child = _children.get(record.pid)
    if child is not None and child.poll() is not None:
        del _children[record.pid]
    return identity_of(record.pid) == record.identity


def start(
    command: Sequence[str | Path],
    *,
    log: Path,
    folder: Path,
    environment: Mapping[str, str],
    user: tuple[int, int] | None = None,
) -> ProcessRecord:
    """Start `command` in a session of its own, so that neither Ctrl-C nor our end reaches it; output goes to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > 20 * 1024 * 1024:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        child = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
            user=None if user is None else user[0],
            group=None if user is None else user[1],
            extra_groups=None if user is None else [],
        )
    _children[child.pid] = child
    # A child that is gone already leaves an identity that matches nothing: `alive` then says so.
    return record_of(child.pid) or ProcessRecord(pid=child.pid, identity="ended at once")


def listens(record: ProcessRecord, port: int) -> bool:
    """Whether this very process listens there: another may have taken the port since it was found free."""
    try:
        sockets = psutil.Process(record.pid).net_connections("tcp")
    except psutil.Error:
        return False
    return any(
        socket.status == psutil.CONN_LISTEN and socket.laddr and socket.laddr.port == port
        for socket in sockets
    )


def find(argument: str | Path) -> ProcessRecord | None:
    """A running process that has exactly this argument: how a server is found whose record was lost."""
    for process in psutil.process_iter(["pid", "cmdline", "ppid"]):
        if str(argument) in (process.info["cmdline"] or []):
            return record_of(process.info["pid"])
    return None


def stop(
    record: ProcessRecord | None, number: signal.Signals = signal.SIGTERM, *, patience: float = 20
) -> bool:
    """Signal the recorded process and wait until it is gone, killing it when `patience` runs out.

    Returns whether it went without being killed. A process that is not the recorded one is never touched.
    """
    if record is None or not alive(record):
        return True
    with contextlib.suppress(ProcessLookupError):
        os.kill(record.pid, number)
    if wait_gone(record, patience):
        return True
    with contextlib.suppress(ProcessLookupError):
        os.kill(record.pid, signal.SIGKILL)
    wait_gone(record, 10)
    return False


def wait_gone(record: ProcessRecord, patience: float) -> bool:
    """Whether it is gone before `patience` runs out."""
    deadline = time.monotonic() + patience
    while alive(record):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
