"""The demo as a person treats it: Ctrl-C at any time, kill -9 of anything, and then once more from the start."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.instance import Instance
from deploy.local.platform import TEMPORARY
from deploy.local.settings import ROOT, SERVICES

pytestmark = [pytest.mark.platform, pytest.mark.slow, pytest.mark.timeout(900)]


class Demo:
    """`make demo` on a platform of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.instance = Instance(folder)
        self.environment = os.environ | {"OMS_LOCAL": str(folder), "OMS_PLATFORM": "native"}
        self.process: subprocess.Popen[str] | None = None
        self.told = ""

    def start(self, orders: int = 100_000) -> None:
        """By default so many orders that it does not end by itself."""
        command = [
            sys.executable,
            "-u",
            "-m",
            "deploy.demo",
            "--orders",
            str(orders),
            "--out",
            str(self.folder / "out"),
        ]
        self.told = ""
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=self.environment, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=_at_a_terminal,
        )  # fmt: skip

    def until(self, words: str) -> None:
        """Read what it tells up to these words."""
        assert self.process is not None and self.process.stdout is not None
        for line in self.process.stdout:
            self.told += line
            if words in line:
                return
        raise AssertionError(f"it never said {words!r}, but:\n{self.told}")

    def signal(self, number: signal.Signals) -> None:
        """To its whole process group, as a terminal does."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def end(self) -> int:
        """Its exit code, once it ended."""
        assert self.process is not None
        self.told += self.process.communicate(timeout=600)[0]
        return self.process.returncode

    def run_local(self, *arguments: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "deploy.local", *arguments], cwd=ROOT, env=self.environment, check=True,
            capture_output=True,
        )  # fmt: skip

    def left(self) -> list[str]:
        """Processes of this platform that run."""
        left = []
        for process in psutil.process_iter(["pid", "cmdline", "status"]):
            if process.info["status"] != psutil.STATUS_ZOMBIE and _is_of(process, self.folder):
                left.append(f"{process.info['pid']} {' '.join(process.info['cmdline'] or [])[-100:]}")
        return left


def _at_a_terminal() -> None:
    # Whoever runs the tests in the background has switched Ctrl-C off for all that they start, and the demo heeds that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _is_of(process: psutil.Process, folder: Path) -> bool:
    try:
        if process.environ().get("OMS_LOCAL") == str(folder):
            return True
    except psutil.Error:
        pass
    return any(str(folder) in argument for argument in process.info["cmdline"] or [])


@pytest.fixture
def demo() -> Iterator[Demo]:
    demo = Demo(TEMPORARY / f"demo-{secrets.token_hex(4)}")
    yield demo
    if demo.process is not None and demo.process.poll() is None:
        demo.process.kill()
        demo.process.communicate()
    demo.run_local("down", "--purge")
    assert not demo.left()
    shutil.rmtree(demo.folder, ignore_errors=True)


@pytest.mark.parametrize(
    ("number", "phase"),
    [
        (signal.SIGINT, "generated"),  # The first line: Kafka and PostgreSQL are about to start.
        (signal.SIGTERM, "fresh databases and topics"),  # The services are about to start.
    ],
    ids=["while the platform starts", "while services start"],
)
def test_interrupted_while_it_starts_nothing_is_left(demo: Demo, number: signal.Signals, phase: str) -> None:
    demo.start()
    demo.until(phase)
    demo.signal(number)
    demo.signal(number)  # Impatience changes nothing.
    assert demo.end() == 130, demo.told
    assert demo.told.endswith("stopped; everything that was started is down\n")
    assert "Traceback" not in demo.told
    assert not demo.left()


def test_killed_it_begins_anew_and_interrupted_while_it_plays_it_leaves_nothing(demo: Demo) -> None:
    demo.start()
    demo.until("orders/s")
    demo.signal(signal.SIGKILL)
    demo.end()
    assert demo.left(), "services and servers outlive a demo that was killed"

    demo.start()
    demo.until("orders/s")
    second = Demo(demo.folder)
    second.start()
    assert second.end() == 1
    assert "a demo is running here already" in second.told

    victim = demo.instance.read().services["inventory"].process.pid
    os.kill(victim, signal.SIGKILL)
    assert demo.end() == 1, demo.told
    assert "error: inventory died during the demo" in demo.told
    assert not demo.left()

    demo.start()
    demo.until("orders/s")
    demo.signal(signal.SIGINT)
    demo.signal(signal.SIGINT)
    assert demo.end() == 130, demo.told
    assert "Traceback" not in demo.told
    assert not demo.left()


@pytest.mark.parametrize("server", ["kafka", "postgres"])
def test_after_a_server_was_killed_the_next_demo_plays_to_its_end(demo: Demo, server: str) -> None:
    demo.start()
    demo.until("orders/s")
    process = getattr(demo.instance.read(), server).process
    os.kill(process.pid, signal.SIGKILL)
    assert demo.end() == 1, demo.told
    assert f"error: {server} died during the demo" in demo.told
    assert not demo.left()

    demo.start(orders=20)
    assert demo.end() == 0, demo.told
    assert not demo.left()
    assert (demo.folder / "out" / "demo.json").exists()
    assert set(demo.instance.read().services) == set(SERVICES)
