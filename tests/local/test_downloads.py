"""Nothing runs that is not, byte for byte, what the repository names."""

import hashlib
import re
from pathlib import Path

import jgo.maven
import pytest

from deploy.local import downloads
from deploy.local.errors import PlatformError
from deploy.local.progress import Silent
from deploy.local.settings import ROOT, LocalSettings

JAR = "org.apache.kafka:kafka_2.13:4.4.0"


class Registry:
    """Stands in for jgo: hands out these bytes, or fails."""

    body = b"a jar"
    asked: list[str] = []
    remote_repos: dict[str, str] = {}

    def __init__(self, repo_cache: Path, timeout: int) -> None:
        self._folder = repo_cache

    def project(self, group: str, artifact: str) -> "Registry":
        self._name = f"{group}:{artifact}"
        return self

    def at_version(self, version: str) -> "Registry":
        Registry.asked.append(f"{self._name}:{version}")
        return self

    def artifact(self) -> "Registry":
        return self

    def resolve(self) -> Path:
        if not self.body:
            raise OSError("name resolution failed")
        (self._folder / "x.jar").write_bytes(self.body)
        return self._folder / "x.jar"


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> type[Registry]:
    monkeypatch.setattr(jgo.maven, "MavenContext", Registry)
    monkeypatch.setattr(Registry, "asked", [])
    return Registry


def test_the_lock_names_every_jar_by_exact_version_and_hash() -> None:
    jars = downloads.locked_jars()
    assert len(jars) == 45
    assert downloads.kafka_version() == "4.4.0"
    for coordinate, digest in jars.items():
        assert re.fullmatch(r"[\w.-]+:[\w.-]+:[\w.-]+", coordinate)
        assert re.fullmatch(r"[0-9a-f]{64}", digest)


def test_locks_carry_no_addresses() -> None:
    for lock in [downloads.LOCK, *(ROOT / "requirements").iterdir()]:
        assert "://" not in lock.read_text(), lock
        assert "index-url" not in lock.read_text(), lock


def test_a_jar_with_other_bytes_is_refused_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="is not the file that is locked"):
        downloads._fetch_jar(JAR, "0" * 64, tmp_path / "kafka.jar")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_jar_in_the_cache_is_fetched_again(tmp_path: Path, registry: type[Registry]) -> None:
    target = tmp_path / "kafka.jar"
    target.write_bytes(b"half a")
    digest = hashlib.sha256(registry.body).hexdigest()
    downloads._fetch_jar(JAR, digest, target)
    assert target.read_bytes() == registry.body
    downloads._fetch_jar(JAR, digest, target)
    assert registry.asked == [JAR], "a jar that is there is not asked for"


def test_without_a_network_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Registry, "body", b"")
    with pytest.raises(PlatformError, match="cannot download .*: name resolution failed") as caught:
        downloads._fetch_jar(JAR, "0" * 64, tmp_path / "kafka.jar")
    assert "network" in caught.value.remedy


@pytest.mark.parametrize(("version", "chosen"), [("1.8", False), ("11", False), ("17", True), ("25", True)])
def test_an_installed_java_is_used_from_17_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, chosen: bool
) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho '    java.specification.version = {version}' >&2\n")
    java.chmod(0o755)
    monkeypatch.setattr(downloads.shutil, "which", lambda name: None)
    monkeypatch.setattr(downloads, "packaged_java", lambda settings, report: Path("packaged"))
    settings = LocalSettings(java_home=tmp_path, cache=tmp_path / "cache")
    assert downloads.java(settings, Silent()) == (java if chosen else Path("packaged"))
