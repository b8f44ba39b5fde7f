"""A process that cannot do its work says why and what to do, and ends or waits as a supervisor expects."""

import asyncio
import signal
import socket

import pytest
from sqlalchemy import create_engine, text

from deploy.local import Platform
from shared.db.migrate import contract, head, migrate
from shared.runtime.service import EXIT_CANNOT_LISTEN, EXIT_WRONG_SCHEMA
from tests.harness.process import Process, spawned, surroundings
from tests.harness.service import until
from tests.migrations.test_schemas import metadata

SERVICE = "returns"
RUN = ("services.returns", "run", "--roles", "api,jobs")


@pytest.fixture
def url(platform: Platform) -> str:
    """A migrated database."""
    made = platform.create_database(SERVICE)
    migrate(SERVICE, made, metadata(SERVICE))
    return made


def change(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


class Recorded:
    """Stands where Alembic's `op` would."""

    def __init__(self, url: str) -> None:
        self._url = url

    def execute(self, statement: str) -> None:
        change(self._url, statement)


def complaint(process: Process) -> dict[str, str]:
    """The one line at the highest level."""
    [line] = [line for line in process.log if line.get("level") == "critical"]
    assert line["remedy"]
    return line


async def test_a_taken_port_ends_it_with_the_setting_to_change(platform: Platform, url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environment = surroundings(platform, SERVICE, url, http_port=port)
        async with spawned(*RUN, environment=environment) as process:
            assert await process.ended() == EXIT_CANNOT_LISTEN
    line = complaint(process)
    assert (line["event"], line["at"]) == ("cannot listen", f"127.0.0.1:{port}")
    assert "OMS_RETURNS_HTTP_PORT" in line["remedy"]
    assert not any("Traceback" in str(line) for line in process.log)


async def test_an_address_that_is_not_ours_ends_it_too(platform: Platform, url: str) -> None:
    environment = surroundings(platform, SERVICE, url, http_host="192.0.2.1")
    async with spawned(*RUN, environment=environment) as process:
        assert await process.ended() == EXIT_CANNOT_LISTEN
    assert "OMS_RETURNS_HTTP_HOST" in complaint(process)["remedy"]


@pytest.mark.parametrize("revision", [None])
async def test_a_database_behind_the_release_ends_it(platform: Platform, revision: str | None) -> None:
    behind = platform.create_database(SERVICE)
    if revision is not None:
        migrate(SERVICE, behind, metadata(SERVICE), target=revision)
    environment = surroundings(platform, SERVICE, behind)
    async with spawned(*RUN, environment=environment) as process:
        assert await process.ended() == EXIT_WRONG_SCHEMA
    line = complaint(process)
    assert (line["event"], line["expected"]) == ("wrong schema", head(SERVICE))
    assert line["remedy"] == "run: python -m services.returns migrate"


async def test_an_older_release_runs_on_a_newer_schema(platform: Platform, url: str) -> None:
    """While a release is rolled out the database is ahead of the processes that are still to be replaced."""
    change(url, "UPDATE alembic_version SET version_num = '9999'")
    environment = surroundings(platform, SERVICE, url)
    async with spawned("services.returns", "migrate", environment=environment) as migrating:
        assert await migrating.ended() == 0, "its init container must not stand in its way either"
    async with spawned(*RUN, environment=environment) as process:
        await until(lambda: process.said("started"), "it runs")
        [warning] = [line for line in process.log if line.get("found") == "9999"]
        assert (warning["level"], warning["expected"]) == ("warning", head(SERVICE))
        process.signal(signal.SIGTERM)
        assert await process.ended() == 0


async def test_a_contracted_schema_ends_releases_that_do_not_know_it(platform: Platform, url: str) -> None:
    change(url, "UPDATE alembic_version SET version_num = '9999'")
    contract(Recorded(url), "9998")
    environment = surroundings(platform, SERVICE, url)
    async with spawned(*RUN, environment=environment) as process:
        assert await process.ended() == EXIT_WRONG_SCHEMA
    line = complaint(process)
    assert (line["found"], line["expected"]) == ("9999", head(SERVICE))
    assert "deploy a release that knows revision 9998" in line["remedy"]
    assert "migrate" not in line["remedy"], "that is what helps in the other direction"

    contract(Recorded(url), head(SERVICE))
    async with spawned(*RUN, environment=environment) as process:
        await until(
            lambda: process.said("started"), "a contraction that this release knows does not concern it"
        )


async def test_it_waits_visibly_for_a_database_that_is_away(platform: Platform, url: str) -> None:
    environment = surroundings(platform, SERVICE, url)
    await asyncio.to_thread(platform.stop_postgres)
    try:
        async with spawned(*RUN, environment=environment) as process:
            waiting = await until(lambda: process.said("waiting for database"), "it says what it waits for")
            assert waiting[0]["level"] == "warning"
            await asyncio.to_thread(platform.start_postgres)
            await until(lambda: process.said("started"), "it goes on by itself")
            process.signal(signal.SIGTERM)
            assert await process.ended() == 0
    finally:
        await asyncio.to_thread(platform.start_postgres)


async def test_wrong_settings_end_it_with_every_one_named(platform: Platform, url: str) -> None:
    environment = surroundings(platform, SERVICE, "mysql://x", http_port=99999)
    async with spawned(*RUN, environment=environment) as process:
        assert await process.ended() == 1
    text_of_it = " ".join(line["event"] for line in process.log)
    assert "OMS_RETURNS_DATABASE_URL" in text_of_it
    assert "OMS_RETURNS_HTTP_PORT" in text_of_it
