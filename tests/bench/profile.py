"""Where a service's Python time goes: py-spy looks at every process during a scenario's window (`--profile`).

Samples are laid to the account of the innermost frame that belongs to somebody: what `json` does for our decoder is
the decoder's. A profiled run is slower than others: its shares count, not its figures.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.systems.system import LOGS

ACCOUNTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Kafka client", ("/aiokafka/",)),
    ("FastStream", ("/faststream/", "/fast_depends/", "/anyio/")),
    ("database driver", ("/psycopg/", "/psycopg_pool/")),
    ("SQLAlchemy", ("/sqlalchemy/",)),
    ("parsing and contracts", ("shared/messaging/decode.py", "shared/contracts/", "/pydantic/")),
    ("emit and outbox rows", ("shared/messaging/outbox.py", "shared/db/transaction.py")),
    ("relay", ("shared/messaging/relay.py",)),
    ("consumer and inbox", ("shared/messaging/",)),
    ("sets of rows", ("shared/db/",)),
    ("telemetry", ("shared/telemetry/", "/opentelemetry/", "/prometheus_client/", "/structlog/")),
    ("HTTP", ("/fastapi/", "/starlette/", "/uvicorn/", "/httptools/", "shared/runtime/")),
    ("domain", ("/domain/", "shared/saga/")),
    ("handlers", ("/handlers/",)),
    ("store", ("/store/",)),
    ("other parts of the service", ("services/",)),
    ("event loop", ("/asyncio/", "/uvloop/")),
)
_RATE = 200
_SHOWN = 30


class Profile:
    """Records the processes it is given until `finish`."""

    def __init__(self, processes: Mapping[str, Sequence[int]], seconds: float, name: str) -> None:
        self._files: dict[str, list[Path]] = {}
        self._running: list[subprocess.Popen[bytes]] = []
        for service, pids in processes.items():
            for pid in pids:
                file = LOGS / f"profile-{name}-{service}-{pid}.txt"
                self._files.setdefault(service, []).append(file)
                command = [str(Path(sys.executable).with_name("py-spy")), "record", "--format", "raw",
                           "--full-filenames", "--nonblocking", "--rate", str(_RATE),
                           "--duration", str(max(1, round(seconds))), "--output", str(file), "--pid", str(pid),
                           ]  # fmt: skip
                self._running.append(
                    subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                )

    def finish(self) -> dict[str, Any]:
        """Shares by account and the busiest functions, of each service."""
        for process in self._running:
            process.wait(60)
        return {
            service: _summary(
                [line for file in files if file.exists() for line in file.read_text().splitlines()]
            )
            for service, files in self._files.items()
        }


def _summary(lines: Iterable[str]) -> dict[str, Any]:
    accounts: Counter[str] = Counter()
    own: Counter[str] = Counter()
    below: Counter[str] = Counter()
    total = 0
    for line in lines:
        stack, _, count_text = line.rpartition(" ")
        count = int(count_text)
        frames = [_short(frame) for frame in stack.split(";")]
        total += count
        accounts[account(stack.split(";"))] += count
        own[frames[-1]] += count
        for frame in set(frames):
            below[frame] += count

    def shares(counts: Counter[str]) -> dict[str, float]:
        return {name: round(count / total, 4) for name, count in counts.most_common(_SHOWN)} if total else {}

    return {"samples": total, "accounts": shares(accounts), "own": shares(own), "with_callees": shares(below)}


def account(stack: Sequence[str]) -> str:
    """Whose account a sample goes to; the innermost frame is the last."""
    for frame in reversed(stack):
        for name, parts in ACCOUNTS:
            if any(part in frame for part in parts):
                return name
    return "other"


def _short(frame: str) -> str:
    """A frame without its line and with the last three folders of its path."""
    function, _, place = frame.partition(" (")
    path = place.rstrip(")").rpartition(":")[0] or place.rstrip(")")
    return f"{function} {'/'.join(path.split('/')[-3:])}"
