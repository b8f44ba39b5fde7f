"""The three topics of the tally service, new and empty for every test, and another system on them."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from deploy.local import Platform
from deploy.local.topics import apply, load, remove
from shared.contracts.orders import RefundIssued
from shared.contracts.payments import PaymentCaptured, PaymentVoided
from shared.telemetry import logging
from tests.harness.service import Wire, _listen

TOPICS = (PaymentCaptured.topic, PaymentVoided.topic, RefundIssued.topic)


@pytest.fixture(autouse=True)
def plain_logs() -> None:
    """As in production. structlog's own default draws every traceback with all its variables, for seconds."""
    logging.configure("tests", "info")


@pytest.fixture
def topic_prefix(platform: Platform) -> Iterator[str]:
    """Only what tally hears and says: making all topics for each test would take longer than the test."""
    prefix = f"m{secrets.token_hex(4)}."
    apply(platform.kafka, [topic for topic in load() if topic.name in TOPICS], prefix=prefix)
    yield prefix
    remove(platform.kafka, prefix=prefix)


@pytest.fixture
async def topics(platform: Platform, topic_prefix: str) -> AsyncIterator[Wire]:
    """Says what a payment service would say and hears what tally answers."""
    producer = AIOKafkaProducer(
        bootstrap_servers=platform.kafka, acks="all", max_request_size=2_000_000, linger_ms=0
    )
    consumer = AIOKafkaConsumer(
        topic_prefix + RefundIssued.topic,
        bootstrap_servers=platform.kafka,
        auto_offset_reset="earliest",
        group_id=None,
    )
    await producer.start()
    await consumer.start()
    wire = Wire(producer, topic_prefix)
    listening = asyncio.create_task(_listen(consumer, wire))
    yield wire
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await consumer.stop()
    await producer.stop()
