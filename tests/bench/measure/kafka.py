"""What went over the topics: messages counted by end offsets, bytes by a sample of the last messages of each."""

from collections import defaultdict
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.topics import load

Ends = Mapping[tuple[str, int], int]
_SAMPLE = 40


async def ends(bootstrap: str, prefix: str) -> Ends:
    """The next offset of every partition of the topics under this prefix."""
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        places = await _places(consumer, prefix)
        found = await consumer.end_offsets(places)
        return {(place.topic.removeprefix(prefix), place.partition): end for place, end in found.items()}


async def bytes_per_message(bootstrap: str, prefix: str, before: Ends, after: Ends) -> dict[str, float]:
    """Average size of a topic's messages between two moments, uncompressed: key, value and headers."""
    sizes: dict[str, list[int]] = defaultdict(list)
    begins = {place: max(before.get(place, 0), end - _SAMPLE) for place, end in after.items()}
    waited = {
        TopicPartition(prefix + topic, number)
        for (topic, number), begin in begins.items()
        if begin < after[topic, number]
    }
    if not waited:
        return {}
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        consumer.assign(list(waited))
        for place in waited:
            consumer.seek(place, begins[place.topic.removeprefix(prefix), place.partition])
        while waited:
            for place, records in (await consumer.getmany(timeout_ms=1000)).items():
                topic = place.topic.removeprefix(prefix)
                for record in records:
                    headers = sum(len(name) + len(value or b"") for name, value in record.headers)
                    sizes[topic].append(len(record.key or b"") + len(record.value or b"") + headers)
                if await consumer.position(place) >= after[topic, place.partition]:
                    waited.discard(place)
                    consumer.pause(place)
    return {topic: sum(found) / len(found) for topic, found in sizes.items() if found}


def messages(before: Ends, after: Ends) -> dict[str, int]:
    """Messages of each topic between two moments."""
    counts: dict[str, int] = defaultdict(int)
    for (topic, partition), end in after.items():
        counts[topic] += end - before.get((topic, partition), 0)
    return {topic: count for topic, count in counts.items() if count}


async def _places(consumer: AIOKafkaConsumer, prefix: str) -> list[TopicPartition]:
    existing = await consumer.topics()
    return [
        TopicPartition(prefix + topic.name, partition)
        for topic in load()
        if prefix + topic.name in existing
        for partition in range(topic.partitions)
    ]
