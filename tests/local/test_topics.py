"""Topics follow their list, and keys never move by accident."""

import secrets

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy.local import Platform, PlatformError
from deploy.local.topics import DYNAMIC_TOPIC_CONFIG, Topic, apply, load
from tests.harness.service import until

pytestmark = pytest.mark.platform


def entry(**changes: object) -> Topic:
    fields = {"name": "thing.happened", "owner": "orders", "key": "order id", "partitions": 2}
    return Topic.model_validate(fields | {"retention_ms": 60_000, "classification": "internal"} | changes)


@pytest.fixture
def prefix() -> str:
    return f"t{secrets.token_hex(4)}."


async def settings_of(platform: Platform, name: str) -> dict[str, str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=platform.kafka)
    await admin.start()
    try:
        (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
        return {e[0]: e[1] for e in response.resources[0][4] if e[3] == DYNAMIC_TOPIC_CONFIG}
    finally:
        await admin.close()


async def partitions_of(platform: Platform, name: str) -> int:
    admin = AIOKafkaAdminClient(bootstrap_servers=platform.kafka)
    await admin.start()
    try:
        return len((await admin.describe_topics([name]))[0]["partitions"])
    finally:
        await admin.close()


def test_the_real_list_is_created_and_a_second_time_nothing_changes(platform: Platform, prefix: str) -> None:
    names = {prefix + topic.name for topic in load()}
    assert set(apply(platform.kafka, prefix=prefix).created) == names
    again = apply(platform.kafka, prefix=prefix)
    assert (again.created, again.changed, again.left) == ([], {}, {})
    assert set(again.unchanged) == names


async def test_a_changed_retention_is_applied_and_what_others_set_stays(
    platform: Platform, prefix: str
) -> None:
    apply(platform.kafka, [entry()], prefix=prefix)
    name = prefix + "thing.happened"
    admin = AIOKafkaAdminClient(bootstrap_servers=platform.kafka)
    await admin.start()
    own = entry().settings | {"segment.ms": "123456789"}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, own)])
    await admin.close()
    # The controller has answered; the broker that is asked next may not have heard of it yet.

    async def heard() -> bool:
        return "segment.ms" in await settings_of(platform, name)

    await until(heard, "the broker knows the setting")

    outcome = apply(platform.kafka, [entry(retention_ms=120_000)], prefix=prefix)

    assert outcome.changed == {name: "retention.ms 60000 -> 120000"}
    in_force = await settings_of(platform, name)
    assert in_force["retention.ms"] == "120000"
    assert in_force["segment.ms"] == "123456789"
    assert in_force["message.timestamp.type"] == "LogAppendTime"


async def test_partitions_are_added_only_on_command_and_only_when_all_was_read(
    platform: Platform, prefix: str
) -> None:
    apply(platform.kafka, [entry()], prefix=prefix)
    name = prefix + "thing.happened"
    more = [entry(partitions=4, readers=["inventory"])]

    assert "left alone" in apply(platform.kafka, more, prefix=prefix).left[name]

    sending = AIOKafkaProducer(bootstrap_servers=platform.kafka)
    await sending.start()
    await sending.send_and_wait(name, b"first", partition=0)
    await sending.send_and_wait(name, b"second", partition=0)
    await sending.stop()
    left = apply(platform.kafka, more, prefix=prefix, repartition=True).left[name]
    assert "inventory has read nothing" in left

    reader = AIOKafkaConsumer(
        bootstrap_servers=platform.kafka, group_id=prefix + "inventory", enable_auto_commit=False
    )
    await reader.start()
    place = TopicPartition(name, 0)
    reader.assign([place])
    await reader.commit({place: 1})
    left = apply(platform.kafka, more, prefix=prefix, repartition=True).left[name]
    assert "has 1 messages to read" in left
    assert await partitions_of(platform, name) == 2

    await reader.commit({place: 2})
    await reader.stop()
    outcome = apply(platform.kafka, more, prefix=prefix, repartition=True)
    assert outcome.changed == {name: "2 -> 4 partitions"}
    assert await partitions_of(platform, name) == 4

    fewer = apply(platform.kafka, [entry(partitions=1)], prefix=prefix, repartition=True)
    assert "cannot be taken away" in fewer.left[name]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- {name: a.b, owner: orders}", "Field required"),
        ("- {name: A B, owner: o, key: k, partitions: 1, retention_ms: 1, classification: c}", "pattern"),
        ("- {name: a.b, owner: o, key: k, partitions: 0, retention_ms: 1, classification: c}", "partitions"),
        ("{topics: [", "not YAML"),
    ],
)
def test_a_faulty_list_is_refused_with_the_place(tmp_path, text: str, complaint: str) -> None:
    (tmp_path / "topics.yaml").write_text(text)
    with pytest.raises(PlatformError, match=complaint):
        load(tmp_path / "topics.yaml")


def test_a_topic_listed_twice_is_refused(tmp_path) -> None:
    line = "- {name: a.b, owner: o, key: k, partitions: 1, retention_ms: 1, classification: c}\n"
    (tmp_path / "topics.yaml").write_text(line * 2)
    with pytest.raises(PlatformError, match=r"twice: a\.b"):
        load(tmp_path / "topics.yaml")


def test_where_no_kafka_answers_it_says_so() -> None:
    with pytest.raises(PlatformError, match="no Kafka answers"):
        apply("127.0.0.1:1", [entry()])
