"""Five services on databases of their own, built and not started: nothing runs beside what a test asks for.

Every order is traced, so that its spans can be counted too.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from importlib import import_module
from typing import Any

import pytest

from deploy.local import Platform
from deploy.local.settings import SERVICES
from shared.db.migrate import migrate
from shared.runtime.service import Service
from shared.runtime.settings import ServiceSettings
from tests.harness.otlp import Sink


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    """Where spans go."""
    with Sink() as sink:
        yield sink


@pytest.fixture(scope="module")
async def services(platform: Platform, sink: Sink) -> AsyncIterator[dict[str, Service[Any, Any]]]:
    """Each service, by name, with its default settings."""
    built: dict[str, Service[Any, Any]] = {}
    for name in SERVICES:
        url = platform.create_database(f"guards_{name}")
        await asyncio.to_thread(migrate, name, url, import_module(f"services.{name}.store.tables").metadata)
        settings: type[ServiceSettings] = import_module(f"services.{name}.settings").Settings
        built[name] = import_module(f"services.{name}.app").build(
            settings(database_url=url, kafka=platform.kafka, otlp_endpoint=sink.endpoint, trace_ratio=1.0)
        )
    yield built
    for service in built.values():
        url = service.settings.database_url
        await service.engine.dispose()
        await asyncio.to_thread(service.tracing.shutdown)
        platform.drop_database(url)
