"""What becomes of a batch that was handled when its offsets cannot be committed."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, KafkaConnectionError
from structlog.testing import capture_logs

from shared.messaging.client import Batch


class _Group:
    """A consumer whose commits end with an error, if one is given."""

    def __init__(self, error: Exception | None = None) -> None:
        self.committed: dict[TopicPartition, int] = {}
        self._error = error

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if self._error is not None:
            raise self._error
        self.committed |= offsets


def _batch(group: Any) -> Batch:
    records = [("a", 0, 4), ("a", 0, 5), ("b", 2, 9)]
    raw = tuple(SimpleNamespace(topic=topic, partition=number, offset=at) for topic, number, at in records)
    return Batch(body=b"", headers={}, raw_message=raw, consumer=group, message_id="", reply_to="")  # type: ignore[arg-type]


async def test_the_partitions_of_the_batch_are_committed_behind_its_last_records() -> None:
    group = _Group()
    await _batch(group).ack()
    assert group.committed == {TopicPartition("a", 0): 6, TopicPartition("b", 2): 10}


async def test_partitions_that_went_to_others_are_a_warning_since_their_messages_come_again() -> None:
    with capture_logs() as logs:
        await _batch(_Group(CommitFailedError())).ack()
    assert [(entry["log_level"], entry["event"]) for entry in logs] == [("warning", "offsets not committed")]


async def test_any_other_error_of_a_commit_is_an_error() -> None:
    with pytest.raises(KafkaConnectionError):
        await _batch(_Group(KafkaConnectionError())).ack()
