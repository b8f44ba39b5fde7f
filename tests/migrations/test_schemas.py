"""Every service's schema: up from empty, safe to run twice and side by side, and equal to the model in tables.py."""

import asyncio
from importlib import import_module
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from deploy.local import Platform
from shared.db.migrate import head, migrate, scripts

SERVICES = ("orders", "inventory", "fulfillment", "returns", "notifications")


def metadata(service: str) -> Any:
    return import_module(f"services.{service}.store.tables").metadata


@pytest.mark.parametrize("service", SERVICES)
def test_the_schema_from_empty_equals_the_model(platform: Platform, service: str) -> None:
    url = platform.create_database(service)
    assert migrate(service, url, metadata(service)) == (None, head(service))
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata(service)) == []
    engine.dispose()


@pytest.mark.parametrize("service", SERVICES)
async def test_several_processes_may_migrate_at_once(platform: Platform, service: str) -> None:
    url = platform.create_database(service)
    results = await asyncio.gather(
        *(asyncio.to_thread(migrate, service, url, metadata(service)) for _ in range(3))
    )
    assert sorted(before is None for before, _ in results) == [False, False, True]
    assert {after for _, after in results} == {head(service)}


@pytest.mark.parametrize("service", SERVICES)
def test_every_step_can_be_undone_and_done_again(platform: Platform, service: str) -> None:
    url = platform.create_database(service)
    revisions = [script.revision for script in reversed(list(scripts(service).walk_revisions()))]
    for revision in revisions:
        migrate(service, url, metadata(service), target=revision)
    engine = create_engine(url)
    downgrade(service, engine)
    with engine.connect() as connection:
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
        sequences = connection.execute(
            text("SELECT count(*) FROM pg_sequences WHERE schemaname = 'public'")
        ).scalar()
        assert sequences == 0
    engine.dispose()
    assert migrate(service, url, metadata(service))[1] == revisions[-1]


def downgrade(service: str, engine: Any) -> None:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext

    directory = scripts(service)
    with engine.connect() as connection:
        steps = lambda revision, _: directory._downgrade_revs("base", revision)  # noqa: E731
        with EnvironmentContext(Config(), directory, fn=steps, destination_rev="base") as environment:
            environment.configure(connection=connection, target_metadata=metadata(service))
            with environment.begin_transaction():
                environment.run_migrations()
        connection.commit()


def test_queue_tables_are_vacuumed_by_count(platform: Platform) -> None:
    url = platform.create_database("inventory")
    migrate("inventory", url, metadata("inventory"))
    engine = create_engine(url)
    with engine.connect() as connection:
        options = connection.execute(
            text("SELECT reloptions FROM pg_class WHERE relname = 'outbox'")
        ).scalar()
    engine.dispose()
    assert "autovacuum_vacuum_scale_factor=0" in (options or [])


@pytest.mark.parametrize("service", SERVICES)
def test_no_statistics_are_taken_of_documents(platform: Platform, service: str) -> None:
    """Reading them all for a statistic that no plan uses took a tenth of PostgreSQL's time."""
    url = platform.create_database(service)
    migrate(service, url, metadata(service))
    engine = create_engine(url)
    with engine.connect() as connection:
        analyzed = connection.execute(
            text(
                """SELECT attrelid::regclass || '.' || attname
                   FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
                   WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
                     AND atttypid IN ('json'::regtype, 'jsonb'::regtype, 'bytea'::regtype)
                     AND attnum > 0 AND NOT attisdropped AND attstattarget IS DISTINCT FROM 0"""
            )
        ).all()
    engine.dispose()
    assert analyzed == []
