"""Schema changes: Alembic scripts in each service's `store/migrations`, one history per database.

A release must run on its own schema and on that of the next one, because both are alive while the next is rolled out:
changes expand first (old code does not notice), and contract in a later release, which says so by `contract`.
"""

import time
from importlib import import_module
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.value_object import value_object

_LOCK = 0x6F6D73_0001
# A change that cannot get its lock at once would queue everybody behind it.
_LIMITS = "SET lock_timeout = '5s'"
# What a contracting migration leaves in the database, for releases that were built before it.
_OLDEST = "oldest release that may run: revision "
_OLDEST_SAID = text("SELECT obj_description(to_regclass('alembic_version'), 'pg_class')")


@value_object
class Schema:
    """The revision a database is at and the one this code was written for; `problem` if they do not go together."""

    found: str | None
    expected: str | None
    newer: bool = False
    problem: str | None = None
    remedy: str | None = None


def scripts(service: str) -> ScriptDirectory:
    """The migrations of a service."""
    package = import_module(f"services.{service}.store.migrations")
    folder = str(Path(next(iter(package.__path__))))
    config = Config()
    config.set_main_option("script_location", folder)
    config.set_main_option("version_locations", folder)
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def migrate(
    service: str, database_url: str, metadata: MetaData, *, target: str = "head"
) -> tuple[str | None, str | None]:
    """Bring a database to `target`; returns the revision before and after. Safe to run from several places at once.

    A database that a newer release has migrated is left as it is: older processes start while that is rolled out.
    """
    directory = scripts(service)
    engine = create_engine(database_url)
    try:
        with engine.connect() as connection:
            _take_turn(connection)
            connection.execute(text(_LIMITS))
            connection.commit()
            before = MigrationContext.configure(connection).get_current_revision()
            connection.commit()
            if before is not None and before not in _revisions(directory):
                return before, before

            def steps(revision: Any, _context: Any) -> Any:
                return directory._upgrade_revs(target, revision)

            with EnvironmentContext(Config(), directory, fn=steps, destination_rev=target) as environment:
                environment.configure(
                    connection=connection, target_metadata=metadata, transaction_per_migration=True
                )
                with environment.begin_transaction():
                    environment.run_migrations()
            connection.commit()
            after = MigrationContext.configure(connection).get_current_revision()
        return before, after
    finally:
        engine.dispose()


def _take_turn(connection: Connection) -> None:
    """Wait until nobody else migrates. Asks again and again: one long wait would be a transaction of its own, which
    an index that is built CONCURRENTLY waits for in turn.
    """
    while not connection.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}).scalar():
        connection.commit()
        time.sleep(0.2)
    connection.commit()


def contract(op: Any, oldest: str | None) -> None:
    """Say, in a migration that takes something away, which revision a release must know to run from now on.

    `op` is Alembic's; None takes it back (in a downgrade). Without this every older release may run on a newer schema.
    """
    said = "NULL" if oldest is None else f"'{_OLDEST}{oldest}'"
    op.execute(f"COMMENT ON TABLE alembic_version IS {said}")


def head(service: str) -> str | None:
    """The revision this code was written for."""
    return scripts(service).get_current_head()


async def schema(engine: AsyncEngine, service: str) -> Schema:
    """Whether this code may run on a service's database, as it is now."""
    async with engine.connect() as connection:
        found = await connection.run_sync(
            lambda sync: MigrationContext.configure(sync).get_current_revision()
        )
        said = (await connection.execute(_OLDEST_SAID)).scalar() or ""
    return judge(service, found, said.removeprefix(_OLDEST) if said.startswith(_OLDEST) else None)


def judge(service: str, found: str | None, oldest: str | None) -> Schema:
    """Whether code and database go together: `found` is the database's revision, `oldest` what it asks of a release."""
    directory = scripts(service)
    expected, known = directory.get_current_head(), _revisions(directory)
    if found == expected:
        return Schema(found, expected)
    if found is None or found in known:
        what = "empty" if found is None else "older than this release"
        remedy = f"run: python -m services.{service} migrate"
        return Schema(found, expected, problem=f"the database is {what}", remedy=remedy)
    if oldest is None or oldest in known:
        return Schema(found, expected, newer=True)
    return Schema(
        found,
        expected,
        newer=True,
        problem=f"the database is newer and no longer serves releases before revision {oldest}",
        remedy=f"deploy a release that knows revision {oldest}; the database cannot be taken back without losing data",
    )


def _revisions(directory: ScriptDirectory) -> set[str]:
    return {script.revision for script in directory.walk_revisions()}
