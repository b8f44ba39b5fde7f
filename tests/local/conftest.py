"""Platforms that these tests may break: one for each provider that this machine can offer."""

import os
import secrets
from collections.abc import Iterator

import pytest

from deploy.local import Platform, start_platform
from deploy.local.containers import docker_answers
from deploy.local.platform import TEMPORARY


@pytest.fixture(
    scope="package",
    params=["native", pytest.param("containers", marks=pytest.mark.docker)],
)
def victim(request: pytest.FixtureRequest) -> Iterator[Platform]:
    """A platform of its own that tests may kill; each leaves it startable."""
    if request.param == "containers" and not docker_answers():
        pytest.skip("NOT PROVEN HERE: no Docker daemon answers, so the containers provider was not tested")
    folder = TEMPORARY / f"victim-{request.param}-{os.getpid()}-{secrets.token_hex(2)}"
    with start_platform(folder, temporary=True, provider=request.param) as running:
        yield running
