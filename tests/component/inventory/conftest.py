"""One running service for all modules: making the topics takes longer than most of the tests."""

import secrets
from collections.abc import AsyncIterator

import pytest

from deploy.local import Platform
from deploy.local.topics import apply
from tests.component.inventory.world import World
from tests.harness.service import running, wire


@pytest.fixture(scope="package")
def topic_prefix(platform: Platform) -> str:
    """All topics, new and empty, for this folder's tests; they use SKUs and orders of their own."""
    prefix = f"i{secrets.token_hex(4)}."
    apply(platform.kafka, prefix=prefix)
    return prefix


@pytest.fixture(scope="package")
async def world(platform: Platform, topic_prefix: str) -> AsyncIterator[World]:
    """The service and the topics. Whatever the tests did, counters equal the ledger and nothing is parked."""
    async with (
        running(platform, "inventory", prefix=topic_prefix) as service,
        wire(platform, topic_prefix) as topics,
    ):
        world = World(service, topics)
        yield world
        await service.settled()
        assert await world.drift() == []
        assert await service.rows("SELECT * FROM dead_letters WHERE state = 'parked'") == []
