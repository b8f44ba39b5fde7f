"""A mail server that keeps what it takes, and notifications speaking to it."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.demo.mailbox import Mailbox
from deploy.local import Platform
from tests.harness.service import Running, running

Notifying = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    """A mail server of this test's own."""
    with Mailbox(tmp_path / "mails") as box:
        yield box


@pytest.fixture
def notifying(platform: Platform, topic_prefix: str, mailbox: Mailbox) -> Notifying:
    """Starts notifications on `mailbox`, with short pauses and no rate limit unless told otherwise."""

    @asynccontextmanager
    async def start(**overrides: Any) -> AsyncIterator[Running]:
        defaults = {
            "smtp_port": mailbox.port,
            "smtp_per_second": 0,
            "smtp_timeout_seconds": 1.0,
            "claim_seconds": 8.0,
            "retry_first_seconds": 0.2,
            "retry_longest_seconds": 1.0,
        }
        async with running(
            platform, "notifications", prefix=topic_prefix, **(defaults | overrides)
        ) as service:
            yield service

    return start
