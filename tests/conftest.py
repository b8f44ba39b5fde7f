"""Fixtures that every tier may use."""

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.harness.platform"]

# Properties are about values: a machine that is busy with other things must not make them fail.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, so that two workers end at about the same time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
