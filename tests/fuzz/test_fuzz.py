"""Hostile input in its short form; `make fuzz` is the long one."""

from collections.abc import AsyncIterator

import pytest

from deploy.local import Platform
from tests.fuzz.report import Report
from tests.fuzz.run import SHORT, attack
from tests.fuzz.suite import Suite, suite

SEED = 1


@pytest.fixture(scope="module")
async def victim(
    platform: Platform, topic_prefix: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Suite]:
    """The five services, running."""
    async with suite(platform, topic_prefix, tmp_path_factory.mktemp("fuzz")) as running:
        yield running


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_no_input_stops_a_partition_or_leaves_what_should_not_be(victim: Suite) -> None:
    report = Report(SEED, SHORT)
    await attack(victim, report, SHORT, lambda kind, done: None)
    assert report.inputs >= SHORT * 0.9
    assert not report.findings, "\n".join(report.lines())
