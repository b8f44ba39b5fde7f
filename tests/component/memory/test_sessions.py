"""PostgreSQL keeps the contract that the simulation's session in memory keeps."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local import Platform
from shared.db.engine import create_engine
from shared.db.transaction import open_session
from tests.simulation.sessions import CASES, Case, metadata


@pytest.fixture
async def engine(platform: Platform) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(platform.create_database("contract"), application="test", pool_size=2)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield engine
    await engine.dispose()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_postgresql(engine: AsyncEngine, case: Case) -> None:
    with pytest.raises(_Done):
        async with open_session(engine) as session:
            await case(session)
            raise _Done


class _Done(Exception):
    """Ends a transaction without a commit."""
