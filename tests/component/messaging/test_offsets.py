"""`offsets reset`: a group goes back to where its database is or to a moment, never forwards or under a reader."""

from datetime import UTC, datetime
from functools import partial

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from deploy.local import Platform
from tests.component.messaging.commands import Command, command_line
from tests.component.messaging.support import admin, captured, say_many
from tests.harness.service import Wire, until
from tests.harness.tally import create_schema, sums, tallying

TOPIC = "payment.captured"


@pytest.fixture
async def url(platform: Platform) -> str:
    made = platform.create_database("tally")
    await create_schema(made)
    return made


@pytest.fixture
def reset(platform: Platform, topic_prefix: str, url: str) -> Command:
    """`python -m services.tally offsets reset --json ...`"""
    return partial(command_line(platform.kafka, topic_prefix, url), "offsets", "reset", "--json")


async def test_what_a_database_set_back_does_not_know_is_read_again_and_the_rest_is_dropped(
    platform: Platform, topic_prefix: str, topics: Wire, url: str, reset: Command
) -> None:
    async with tallying(platform, prefix=topic_prefix, database_url=url) as service:
        await say_many(topics, [captured("a", number) for number in range(10)])
        await service.settled()
        assert (await reset("--to", "database")).code == 1
        refused = await reset("--to", "database")
        assert "still run" in refused.err
        assert "stop all processes of tally" in refused.err

        async def stored() -> bool:
            return bool(
                await service.rows("SELECT 1 FROM progress GROUP BY topic HAVING sum(next_offset) = 10")
            )

        await until(stored, "the database knows how far it is")
    # As a restore would leave it: half of the effects, their inbox and the positions are those of an earlier moment.
    async with tallying(platform, prefix=topic_prefix, database_url=url, roles=("api",)) as restored:
        await restored.rows("UPDATE tallies SET total = 4, count = 4")
        await restored.rows(
            "DELETE FROM inbox WHERE message_id NOT IN (SELECT message_id FROM inbox ORDER BY message_id LIMIT 4)"
        )
        await restored.rows("UPDATE progress SET next_offset = greatest(next_offset - 10, 0)")
        rehearsed = await reset("--to", "database", "--dry-run")
        assert sum(move["again"] for move in rehearsed.json) == 10
        assert (await reset("--to", "database")).json == rehearsed.json
    async with tallying(platform, prefix=topic_prefix, database_url=url) as service:
        await service.settled()
        assert await sums(service) == {"a": 10}
        assert service.service.metrics.inbox_duplicates._value.get() == 4


async def test_a_moment_sets_back_but_never_forwards(
    platform: Platform, topic_prefix: str, topics: Wire, url: str, reset: Command
) -> None:
    await say_many(topics, [captured(f"o{number}") for number in range(10)])
    everything = (await reset("--to", "2020-01-01T00:00:00Z", "--topic", TOPIC, "--dry-run")).json
    assert {(move["topic"], move["committed"]) for move in everything} == {(TOPIC, None)}
    assert sum(move["again"] for move in everything) == 10
    assert (await reset("--to", "2020-01-01T00:00:00Z")).code == 0
    later = datetime.now(UTC).replace(year=2100).isoformat()
    assert sum(move["again"] for move in (await reset("--to", later)).json) == 10, (
        "what was not read stays unread"
    )


async def test_what_retention_has_removed_is_said(
    platform: Platform, topic_prefix: str, topics: Wire, url: str, reset: Command
) -> None:
    await say_many(topics, [captured("a", number) for number in range(10)])
    [filled] = [move for move in (await reset("--to", "database", "--dry-run")).json if move["end"]]
    place = TopicPartition(topic_prefix + TOPIC, filled["partition"])
    async with admin(platform.kafka) as client:
        await client.delete_records({place: RecordsToDelete(before_offset=3)})
    said = await reset("--to", "database")
    assert said.code == 1
    assert sum(move["removed"] for move in said.json) == 3
    assert sum(move["again"] for move in said.json) == 7
    shown = await command_line(platform.kafka, topic_prefix, url)(
        "offsets", "reset", "--to", "database", "--dry-run"
    )
    assert "3 messages are gone" in shown.out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--to", "yesterday"), "--to yesterday"),
        (("--to", "2026-01-31T12:00:00"), "offset from UTC"),
        (("--to", "database", "--topic", "order.placd"), "does not hear order.placd"),
    ],
)
async def test_a_wrong_wish_is_said(url: str, arguments: tuple[str, ...], complaint: str) -> None:
    said = await command_line("127.0.0.1:1", "none.", url)("offsets", "reset", *arguments)
    assert said.code != 0
    assert complaint in " ".join(said.err.replace("│", "").split())


async def test_a_broker_that_is_away_is_said_with_the_setting(url: str) -> None:
    said = await command_line("127.0.0.1:1", "none.", url)("offsets", "reset", "--to", "database")
    assert said.code == 1
    assert "Kafka does not answer at 127.0.0.1:1" in said.err
    assert "OMS_KAFKA" in said.err
