"""pytest's access to a real Kafka and PostgreSQL: one of each for the whole run, in a folder of their own.

They use free ports and their own data, so a platform of `make up` and other test runs are not disturbed. Tests keep out
of each other's way by databases (`platform.create_database`) and by topic prefixes (`topic_prefix`).
"""

import os
import secrets
from collections.abc import Callable, Iterator

import pytest

from deploy.local import Platform, start_platform
from deploy.local.platform import TEMPORARY, sweep
from deploy.local.topics import apply, remove


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """Kafka and PostgreSQL until the end of the run; what an earlier run left behind by dying is removed first."""
    sweep()
    with start_platform(TEMPORARY / f"run-{os.getpid()}", temporary=True) as running:
        yield running


@pytest.fixture
def database(platform: Platform) -> Iterator[Callable[[str], str]]:
    """Makes fresh databases, each with an owner of its own, that are gone after the test."""
    made: list[str] = []

    def create(name: str = "scratch") -> str:
        made.append(platform.create_database(name))
        return made[-1]

    yield create
    for url in made:
        platform.drop_database(url)


@pytest.fixture(scope="module")
def topic_prefix(platform: Platform) -> Iterator[str]:
    """All topics of deploy/topics.yaml, new and empty, under a prefix that no other test module has."""
    prefix = f"t{secrets.token_hex(4)}."
    apply(platform.kafka, prefix=prefix)
    yield prefix
    remove(platform.kafka, prefix=prefix)
