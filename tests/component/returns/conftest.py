"""One running service per module, on the module's own topics."""

from collections.abc import AsyncIterator

import pytest

from deploy.local import Platform
from tests.component.returns.world import World
from tests.harness.service import running, wire


@pytest.fixture(scope="module")
async def world(platform: Platform, topic_prefix: str) -> AsyncIterator[World]:
    """The service and the topics."""
    async with (
        running(platform, "returns", prefix=topic_prefix) as service,
        wire(platform, topic_prefix) as topics,
    ):
        yield World(service, topics)
