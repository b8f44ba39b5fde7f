"""The commands of a person on a machine where nothing was started yet: what they say, and that they start nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.settings import ROOT


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and everything that was said."""
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local", *arguments], cwd=ROOT, capture_output=True, text=True,
        env=os.environ | {"OMS_LOCAL": str(folder), "OMS_PLATFORM": "native"},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("logs",), "no log of anything"),
        (("service", "orders", "dead-letters", "list"), "kafka and postgres do not run here"),
    ],
    ids=["logs", "dead letters"],
)
def test_what_needs_something_running_says_so_and_starts_nothing(
    tmp_path: Path, arguments: tuple[str, ...], problem: str
) -> None:
    code, said = run(tmp_path, *arguments)
    assert code == 1
    assert problem in said and "`make up` first" in said
    assert "Traceback" not in said
    assert not (tmp_path / "state.json").exists()


def test_status_and_down_of_nothing_are_no_errors(tmp_path: Path) -> None:
    code, said = run(tmp_path, "status")
    assert code == 0 and said.count("does not run") == 2 and said.count("not running") == 5
    assert run(tmp_path, "down") == (0, "stopped\n")
