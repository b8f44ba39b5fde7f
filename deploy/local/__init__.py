"""Kafka and PostgreSQL on one machine, and the five services on top of them.

Tests and the demo use `start_platform`; people use `python -m deploy.local up|down|status|env|logs|topics`.
"""

from deploy.local.errors import PlatformError
from deploy.local.instance import Instance
from deploy.local.platform import Platform, start_platform

__all__ = ["Instance", "Platform", "PlatformError", "start_platform"]
