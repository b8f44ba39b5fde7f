"""Schema changes: Alembic scripts in each service's `store/migrations`, one history per database."""

from importlib import import_module
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine

_LOCK = 0x6F6D73_0001
# A change that cannot get its lock at once would queue everybody behind it.
_LIMITS = "SET lock_timeout = '5s'"


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
    """Bring a database to `target`; returns the revision before and after. Safe to run from several places at once."""
    directory = scripts(service)
    engine = create_engine(database_url)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
            connection.execute(text(_LIMITS))
            connection.commit()
            before = MigrationContext.configure(connection).get_current_revision()
            connection.commit()

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


def head(service: str) -> str | None:
    """The revision this code was written for."""
    return scripts(service).get_current_head()


async def revision(engine: AsyncEngine) -> str | None:
    """The revision a database is at; None for an empty one."""
    async with engine.connect() as connection:
        return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())
