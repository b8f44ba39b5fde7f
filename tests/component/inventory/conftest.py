"""One running service per module, on the module's own topics; every module ends with an audit."""

from collections.abc import AsyncIterator

import pytest

from deploy.local import Platform
from tests.component.inventory.world import World
from tests.harness.service import running, wire


@pytest.fixture(scope="module")
async def world(platform: Platform, topic_prefix: str) -> AsyncIterator[World]:
    """The service and the topics. Whatever the tests did, counters equal the ledger and parked is nothing."""
    async with (
        running(platform, "inventory", prefix=topic_prefix) as service,
        wire(platform, topic_prefix) as topics,
    ):
        world = World(service, topics)
        yield world
        await service.settled()
        assert await world.drift() == []
        assert await service.rows("SELECT * FROM dead_letters WHERE state = 'parked'") == []
