"""Topics as `deploy/topics.yaml` has them: the only way a topic comes into being.

Differences in retention are applied. Partition counts of a topic in use are left alone, because the keys of its
messages would move to other partitions and overtake themselves; `repartition` adds partitions after checking that
every reader has read everything.
"""

import asyncio
import time
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from deploy.local.errors import PlatformError
from deploy.local.settings import ROOT, SERVICES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LIST = ROOT / "deploy" / "topics.yaml"

DYNAMIC_TOPIC_CONFIG = 1
"""How the protocol marks a setting that was made on the topic itself."""


class Topic(BaseModel):
    """One entry of the list."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(min_length=1, max_length=200, pattern=r"^[a-z0-9._-]+$")
    owner: str
    key: str
    partitions: int = Field(ge=1, le=1000)
    retention_ms: int = Field(ge=-1)
    classification: str
    readers: tuple[str, ...] = ()

    @property
    def settings(self) -> dict[str, str]:
        """What the topic itself has, wherever it lies; its cluster may be somebody else's with other defaults."""
        return {
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": "2097152",
            "message.timestamp.type": "LogAppendTime",
        }


@dataclass
class Outcome:
    """What `apply` did and what it left to a person."""

    created: list[str] = field(default_factory=list)
    changed: dict[str, str] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    """Topics whose partition count differs from the list, and why it was not changed."""


def load(path: Path = LIST) -> list[Topic]:
    """The list; a faulty entry is refused with its place."""
    try:
        document: Any = yaml.safe_load(path.read_text())
    except FileNotFoundError as error:
        raise PlatformError(f"{path} is missing", "restore it from version control") from error
    except yaml.YAMLError as error:
        raise PlatformError(f"{path} is not YAML: {error}", "mend it") from error
    entries = document.get("topics") if isinstance(document, dict) else document
    try:
        topics = TypeAdapter(list[Topic]).validate_python(entries)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
        raise PlatformError(f"{path.name}: {faults}", "mend the entry") from error
    names = [topic.name for topic in topics]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise PlatformError(f"{path.name} lists twice: {', '.join(doubled)}", "remove one")
    return topics


def apply(
    bootstrap: str, topics: Iterable[Topic] | None = None, *, prefix: str = "", repartition: bool = False
) -> Outcome:
    """Make the cluster's topics as listed. Repeatable; several may run at once; callable inside an event loop."""
    wanted = {prefix + topic.name: topic for topic in (load() if topics is None else topics)}
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(_apply(bootstrap, wanted, repartition=repartition))).result()


async def _apply(bootstrap: str, wanted: dict[str, Topic], *, repartition: bool) -> Outcome:
    outcome = Outcome()
    async with _admin(bootstrap) as admin:
        known = await _partition_counts(admin, wanted)
        outcome.created = await _create(admin, {n: topic for n, topic in wanted.items() if n not in known})
        partitions = await _all_partition_counts(admin, wanted)
        existing = {name: topic for name, topic in wanted.items() if name not in outcome.created}
        await _change_settings(admin, existing, outcome)
        for name, topic in existing.items():
            if topic.partitions == partitions[name]:
                continue
            difference = f"has {partitions[name]} partitions, listed with {topic.partitions}"
            reason = (
                await _why_not_repartition(bootstrap, admin, name, topic, partitions[name])
                if repartition
                else ("left alone, keys would move; stop the services and add --repartition")
            )
            if reason is None:
                await admin.create_partitions({name: NewPartitions(topic.partitions)})
                outcome.changed[name] = f"{partitions[name]} -> {topic.partitions} partitions"
            else:
                outcome.left[name] = f"{difference}: {reason}"
    return outcome


def remove(bootstrap: str, *, prefix: str) -> None:
    """Delete the listed topics that have this prefix, with all their messages; for tests."""
    if not prefix:
        raise ValueError("topics without a prefix are not a test's own")

    async def delete() -> None:
        async with _admin(bootstrap) as admin:
            existing = set(await admin.list_topics())
            await admin.delete_topics([prefix + t.name for t in load() if prefix + t.name in existing])

    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(delete())).result()


@asynccontextmanager
async def _admin(bootstrap: str) -> "AsyncIterator[AIOKafkaAdminClient]":
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=30_000)
    try:
        try:
            await admin.start()
        except (KafkaError, OSError) as error:
            raise PlatformError(
                f"no Kafka answers at {bootstrap}", "run `make up`, or check OMS_KAFKA"
            ) from error
        yield admin
    finally:
        await admin.close()


async def _partition_counts(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, int]:
    """Of those topics that exist. The whole list is asked for: asking for an unknown name would wait for it."""
    existing = set(await admin.list_topics())
    known = [name for name in names if name in existing]
    if not known:
        return {}
    return {found["topic"]: len(found["partitions"]) for found in await admin.describe_topics(known)}


async def _all_partition_counts(
    admin: AIOKafkaAdminClient, names: Collection[str], patience: float = 30
) -> dict[str, int]:
    """Of all these topics. A broker tells of a new one a moment after it was created; who uses it need not wait."""
    deadline = time.monotonic() + patience
    while len(found := await _partition_counts(admin, names)) < len(names):
        if time.monotonic() > deadline:
            missing = ", ".join(sorted(set(names) - set(found)))
            raise PlatformError(
                f"Kafka created {missing} but does not list it", "look at the log of the broker"
            )
        await asyncio.sleep(0.05)
    return found


async def _create(admin: AIOKafkaAdminClient, missing: dict[str, Topic]) -> list[str]:
    """Returns those that this call created: another one may have been quicker."""
    if not missing:
        return []
    brokers = len((await admin.describe_cluster())["brokers"])
    replicas = min(3, brokers)
    # One replica may be away without stopping us, and an acknowledged record still lies on two disks.
    safety = {"min.insync.replicas": "2"} if replicas == 3 else {}
    new = [
        NewTopic(name, topic.partitions, replicas, topic_configs=topic.settings | safety)
        for name, topic in missing.items()
    ]
    created = []
    response = await admin.create_topics(new, timeout_ms=30_000)
    for name, code, *message in response.topic_errors:
        if code == 0:
            created.append(name)
        elif for_code(code) is not TopicAlreadyExistsError:
            raise PlatformError(
                f"Kafka refused to create {name}: {message}", "check the role's rights and topics.yaml"
            )
    return created


async def _change_settings(admin: AIOKafkaAdminClient, existing: dict[str, Topic], outcome: Outcome) -> None:
    if not existing:
        return
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in existing]
    changes = []
    for response in await admin.describe_configs(resources):
        for _, _, _, name, entries in response.resources:
            in_force = {entry[0]: entry[1] for entry in entries}
            own = {entry[0]: entry[1] for entry in entries if entry[3] == DYNAMIC_TOPIC_CONFIG}
            differing = {
                key: f"{key} {in_force.get(key)} -> {value}"
                for key, value in existing[name].settings.items()
                if in_force.get(key) != value
            }
            if differing:
                # This request replaces all of a topic's settings, so those that others made go along.
                changes.append(ConfigResource(ConfigResourceType.TOPIC, name, own | existing[name].settings))
                outcome.changed[name] = ", ".join(differing.values())
            else:
                outcome.unchanged.append(name)
    if not changes:
        return
    for response in await admin.alter_configs(changes):
        for code, message, _, name in response.resources:
            if code:
                raise PlatformError(f"Kafka refused to change {name}: {message}", "check the role's rights")


async def _why_not_repartition(
    bootstrap: str, admin: AIOKafkaAdminClient, name: str, topic: Topic, partitions: int
) -> str | None:
    """Why partitions must not be added now; None if nothing stands against it."""
    if topic.partitions < partitions:
        return "partitions cannot be taken away; make a new topic"
    places = [TopicPartition(name, number) for number in range(partitions)]
    ends = await _end_offsets(bootstrap, places)
    beginnings_only = not any(ends.values())
    have_read: set[str] = set()
    for group, *_ in await admin.list_consumer_groups():
        offsets = await admin.list_consumer_group_offsets(group, partitions=places)
        if all(offset.offset < 0 for offset in offsets.values()):
            continue
        have_read.add(group)
        behind = sum(max(0, end - max(0, offsets[place].offset)) for place, end in ends.items())
        if behind:
            return f"group {group} has {behind} messages to read"
    unread = [reader for reader in _our_readers(topic) if not any(g.endswith(reader) for g in have_read)]
    if unread and not beginnings_only:
        return f"{', '.join(unread)} has read nothing yet"
    return None


def _our_readers(topic: Topic) -> Iterator[str]:
    return (reader for reader in topic.readers if reader in SERVICES)


async def _end_offsets(bootstrap: str, places: list[TopicPartition]) -> dict[TopicPartition, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
        return ends
    finally:
        await consumer.stop()
