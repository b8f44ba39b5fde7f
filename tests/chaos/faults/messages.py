"""What happens to messages, groups and topics."""

import asyncio
import secrets
from contextlib import suppress
from random import Random

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError

from deploy.local.settings import SERVICES
from tests.chaos.faults.fault import Fault
from tests.chaos.fleet import NoneFree
from tests.chaos.scene import Scene
from tests.chaos.tap import PLANTED

_COPIES = 0.1
_POISON = 50
_REBALANCED = 15.0


async def copied(scene: Scene, chance: Random) -> str:
    """A tenth of all messages on all topics comes a second time."""
    scene.tap.copies = _COPIES
    try:
        await asyncio.sleep(chance.uniform(4, 8))
    finally:
        scene.tap.copies = 0.0
    return "messages"


async def poisoned(scene: Scene, chance: Random) -> str:
    """Messages that nobody can read, on topics that the services read."""
    topics = [name for name, topic in scene.tap.topics.items() if set(topic.readers) & set(SERVICES)]
    for _ in range(_POISON):
        topic = chance.choice(topics)
        headers, body = _poison(topic, chance)
        await scene.tap.producer.send(
            scene.prefix + topic, value=body, key=secrets.token_bytes(4), headers=headers
        )
    await scene.tap.producer.flush()
    return "messages"


def _poison(topic: str, chance: Random) -> tuple[list[tuple[str, bytes]], bytes | None]:
    """Headers and body that no reader can accept, nor answer as the refusal of a faulty request."""
    good = {"ce_id": secrets.token_hex(4), "ce_type": f"{topic}.v1", "ce_source": "/chaos"}
    headers = {name: value.encode() for name, value in good.items()}
    body: bytes | None = secrets.token_bytes(chance.randrange(0, 2_000))
    match chance.randrange(6):
        case 0:
            headers.clear()
        case 1:
            headers["ce_type"], body = b"order.eaten.v9", b"{}"
        case 2:
            headers["ce_source"] = b"\xff\xfe"
        case 3:
            body = None
        case 4:
            body = b"[" * 50_000
        case _:
            pass  # Random bytes are no JSON object.
    return [*headers.items(), (PLANTED, b"1")], body


async def rebalanced(scene: Scene, chance: Random) -> str:
    """Another member joins the service's group, is given partitions, and leaves, every few seconds."""
    service = chance.choice(sorted(SERVICES))
    topics = [scene.prefix + name for name, topic in scene.tap.topics.items() if service in topic.readers]
    until = asyncio.get_running_loop().time() + _REBALANCED
    while asyncio.get_running_loop().time() < until:
        member = AIOKafkaConsumer(
            *topics, bootstrap_servers=scene.platform.kafka, group_id=scene.prefix + service,
            enable_auto_commit=False, partition_assignment_strategy=(RangePartitionAssignor,),
        )  # fmt: skip
        try:
            with suppress(KafkaError):  # Another fault may have taken the broker away.
                await member.start()
                await asyncio.sleep(chance.uniform(1, 3))
        finally:
            # As a task of its own: a client that is stopped while its broker is away cancels whoever stops it.
            await asyncio.gather(member.stop(), return_exceptions=True)
        await asyncio.sleep(chance.uniform(0.5, 2))
    return service


async def expired(scene: Scene, chance: Random) -> str:
    """Retention removes everything that everybody has read."""
    admin = AIOKafkaAdminClient(bootstrap_servers=scene.platform.kafka)
    try:
        await admin.start()
        await admin.delete_records(
            {
                place: RecordsToDelete(offset)
                for place, offset in (await _read(scene, admin)).items()
                if offset > 0
            }
        )
    finally:
        await asyncio.gather(admin.close(), return_exceptions=True)
    return "messages"


async def _read(scene: Scene, admin: AIOKafkaAdminClient) -> dict[TopicPartition, int]:
    """Up to where everybody has read each partition. Raises NoneFree while a broker just started cannot tell."""
    read = dict(await scene.heard_up_to())
    for service in SERVICES:
        places = [place for place in read if service in _topic(scene, place)]
        known = await admin.list_consumer_group_offsets(scene.prefix + service, partitions=places)
        if len(known) < len(places):
            # aiokafka passes over an error of the whole answer: the coordinator is still loading its groups.
            raise NoneFree
        for place in places:
            read[place] = min(read[place], known[place].offset)
    return read


def _topic(scene: Scene, place: TopicPartition) -> tuple[str, ...]:
    return scene.tap.topics[place.topic.removeprefix(scene.prefix)].readers


FAULTS = (
    Fault("copies", f"{_COPIES:.0%} of all messages come twice", copied, "messages"),
    Fault("poison", f"{_POISON} unreadable messages", poisoned),
    Fault("rebalances", f"a member joins and leaves a group for {_REBALANCED:.0f} s", rebalanced),
    Fault("retention", "what everybody has read is removed", expired, "kafka"),
)
