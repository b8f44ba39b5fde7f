"""Fixtures that every tier may use."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.harness.platform"]

# Properties are about values: a machine that is busy with other things must not make them fail.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
