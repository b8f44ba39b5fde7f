"""Processor time and memory of groups of processes, as the kernel counts them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Usage:
    """Of one group of processes."""

    cpu_seconds: float
    """Since its processes began; children that ended included."""
    rss_mb: float
    """Resident memory; of PostgreSQL the proportional share, because its processes share their buffers."""


def usage(pids: Sequence[int], *, but: Sequence[int] = ()) -> Usage:
    """Of these processes and their children, without `but`."""
    cpu, memory = 0.0, 0.0
    for pid in pids:
        for process in _family(pid):
            if process.pid in but:
                continue
            try:
                times = process.cpu_times()
                cpu += times.user + times.system
                memory += _memory(process)
                if process.pid == pid:
                    cpu += times.children_user + times.children_system
            except psutil.Error:
                continue  # It ended meanwhile; its time is among its parent's children's.
    return Usage(cpu, memory / 2**20)


def alone(pids: Sequence[int]) -> Usage:
    """Of exactly these processes."""
    cpu = memory = 0.0
    for pid in pids:
        try:
            process = psutil.Process(pid)
            times = process.cpu_times()
            cpu += times.user + times.system
            memory += _memory(process)
        except psutil.Error:
            continue
    return Usage(cpu, memory / 2**20)


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _memory(process: psutil.Process) -> float:
    try:
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return float(line.split()[1]) * 1024
    except OSError:
        pass
    return float(process.memory_info().rss)


def describe() -> Mapping[str, object]:
    """The machine, for the report."""
    model = ""
    if (info := Path("/proc/cpuinfo")).exists():
        model = next(
            (
                line.partition(":")[2].strip()
                for line in info.read_text().splitlines()
                if "model name" in line
            ),
            "",
        )
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "cpu": model,
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "kernel": " ".join(os.uname()[i] for i in (0, 2, 4)),
        "load_before": round(os.getloadavg()[0], 2),
    }
