"""Every topic that anybody hears, by mutated golden messages.

Afterwards: every message was either handled (its inbox row says so) or parked with the reason that reading it gives;
good messages behind the bad ones were handled on every partition; what no contract can read left no trace.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from random import Random
from typing import Any

from aiokafka.errors import KafkaError
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from shared.contracts.registry import MODELS
from shared.messaging.decode import Decoder, Misnamed, Readable, Record, Unreadable
from shared.messaging.message import Invalid
from tests.contracts.golden_messages import golden
from tests.fuzz.mutations import Mutator, paths, replaced
from tests.fuzz.report import Report
from tests.fuzz.suite import SERVICES, Suite, mark

KIND = "topic"
_AT_ONCE = 500
_STRANGERS = {"unknown_order", "unknown_sku", "taken_parcel"}
"""Reasons why a handler may put aside what it can read."""
_LARGE = 1_400_000
_NAMES = {"order_id", "shipment_id", "return_id", "external_id", "payment_id", "adjustment_id", "scan_id",
          "reservation_id", "tracking_number", "delivery_id", "request_id"}  # fmt: skip

Headers = list[tuple[str, bytes | None]]


class _NoText(str):
    """The name of a header as bytes that are no text; only the slow record builder can be made to write it."""

    def encode(self, *_: object) -> bytes:
        return b"x-\xff\xfe"


@dataclass(frozen=True)
class Said:
    """A message as it was sent, and where it came to lie."""

    number: int
    record: Record


async def fuzz_topics(
    suite: Suite, report: Report, seed: int, inputs: int, progress: Callable[[int], None]
) -> None:
    """Send so many bad messages and look at what they did."""
    random = Random(f"{seed}/topics")
    mutator = Mutator(random)
    hearers = {name: Decoder(import_module(f"services.{name}.handlers").ROUTES) for name in SERVICES}
    heard_by = {
        ce_type: [name for name, decoder in hearers.items() if ce_type in decoder._routes]
        for ce_type in MODELS
    }
    heard = [ce_type for ce_type, names in heard_by.items() if names]
    said: list[Said] = []
    good: list[Said] = []
    number = 0
    while number < inputs:
        count = min(_AT_ONCE, inputs - number)
        batch = [_bad(random, mutator, random.choice(heard), number + index, suite) for index in range(count)]
        said += await _send(suite, batch, report)
        number += count
        progress(count)
    for ce_type in heard:
        partitions = await suite.topics.producer.partitions_for(suite.prefix + MODELS[ce_type].topic)
        batch = [_good(ce_type, inputs + len(good) + place, place) for place in sorted(partitions)]
        good += await _send(suite, batch, report, counted=False)
    if await suite.settle(report):
        await _judge(suite, report, said, hearers)
        await _judge(suite, report, good, hearers, good=True)


def _bad(random: Random, mutator: Mutator, ce_type: str, number: int, suite: Suite) -> Record:
    document = _named(golden(ce_type), lambda name, value: f"{mark(number)}-{value}"[:60])
    if random.random() < 0.3:
        # About things that are there: hostile in what it says rather than in how.
        document = _named(document, lambda name, value: random.choice(suite.known.get(name) or [value]))
    body: bytes | None = mutator.body(document) if random.random() < 0.85 else json.dumps(document).encode()
    if random.random() < 0.01:
        body = None
    elif random.random() < 0.0005:
        body = json.dumps({**document, "filling": "x" * _LARGE}).encode()
    headers: Headers = [
        ("ce_specversion", b"1.0"), ("ce_id", mark(number).encode()), ("ce_type", ce_type.encode()),
        ("ce_source", b"/fuzz"), ("content-type", b"application/json"),
    ]  # fmt: skip
    if random.random() < 0.2:
        headers = _headers(random, mutator, headers)
    key = random.choice(
        (mark(number).encode(), mark(number).encode(), None, b"", random.randbytes(8), b"k" * 5_000)
    )
    return Record(MODELS[ce_type].topic, -1, number, 0, key, headers, body)


def _good(ce_type: str, number: int, partition: int) -> Record:
    document = _named(golden(ce_type), lambda name, value: f"{mark(number)}-{value}"[:60])
    headers: Headers = [
        ("ce_id", mark(number).encode()), ("ce_type", ce_type.encode()), ("ce_source", b"/fuzz"),
    ]  # fmt: skip
    body = json.dumps(document).encode()
    return Record(MODELS[ce_type].topic, partition, number, 0, mark(number).encode(), headers, body)


def _named(document: dict[str, Any], name_of: Callable[[str, str], str]) -> dict[str, Any]:
    """The same document about other things, and with its customer's address under the same name."""
    for place in paths(document):
        name = str(place[-1])
        if name in _NAMES:
            document = replaced(document, place, lambda value, name=name: name_of(name, str(value)))
        elif name == "email":
            document = replaced(document, place, lambda _: name_of("email", "a") + "@example.com")
    return document


def _headers(random: Random, mutator: Mutator, headers: Headers) -> Headers:
    changed = dict(headers)
    victim = random.choice(list(changed))
    what = random.randrange(30)
    if what in (0, 11, 12):
        del changed[victim]
    elif what in (1, 9, 10):
        changed[victim] = None
    elif what in range(13, 20):
        changed[victim] = random.choice((b"\xff\xfe", b"", b"\x00", b" " * 500, mutator.text().encode()))
    elif what in (3, 20, 21):
        changed["ce_type"] = random.choice((*MODELS, "order.placed.v2", "ORDER.PLACED.V1", "")).encode()
    elif what in (4, 22, 23, 24):
        changed |= {
            "traceparent": random.randbytes(55),
            "ce_time": mutator.text().encode(),
            "ce_sequence": b"-1",
        }
    elif what == 5:
        changed |= {f"x-{n}": random.randbytes(20) for n in range(300)}
    elif what == 6:
        changed[random.choice(("", "a\x00b", "שלום", "x" * 3_000))] = b"\xff" * 2_000
    elif what == 7:
        changed[_NoText("?")] = b"1"
    elif what == 8:
        return [*changed.items(), *changed.items()]
    return list(changed.items())


async def _send(
    suite: Suite, records: Sequence[Record], report: Report, *, counted: bool = True
) -> list[Said]:
    producer = suite.topics.producer
    waiting = []
    for record in records:
        topic = suite.prefix + record.topic
        partition = record.partition
        if partition < 0:
            partitions = sorted(await producer.partitions_for(topic))
            partition = partitions[record.offset % len(partitions)]
        if any(isinstance(name, _NoText) for name, _ in record.headers):
            batch = producer.create_batch()
            batch._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, 0, 2**21)
            batch.append(timestamp=None, key=record.key, value=record.body, headers=record.headers)
            batch.close()
            waiting.append((record, await producer.send_batch(batch, topic, partition=partition)))
            continue
        try:
            future = await producer.send(
                topic, key=record.key, value=record.body, headers=record.headers, partition=partition
            )
            waiting.append((record, future))
        except (KafkaError, ValueError, AssertionError):
            report.count(KIND, "refused by the client or broker")
    said = []
    for record, future in waiting:
        try:
            kept = await future
        except KafkaError:
            report.count(KIND, "refused by the client or broker")
            continue
        strange = any(isinstance(name, _NoText) for name, _ in record.headers)
        headers = Misnamed(record.headers) if strange else record.headers
        at = Record(
            record.topic, kept.partition, kept.offset, kept.timestamp, record.key, headers, record.body
        )
        said.append(Said(record.offset, at))
    if counted:
        report.count(KIND, "sent", len(said))
    return said


async def _judge(
    suite: Suite,
    report: Report,
    said: Sequence[Said],
    hearers: dict[str, Decoder],
    *,
    good: bool = False,
) -> None:
    """Compare what the services' databases know with what reading each message by itself says."""
    for name, decoder in hearers.items():
        service = suite.services[name]
        letters = {
            (row["topic"], row["partition"], row["message_offset"]): row
            for row in await service.rows(
                "SELECT topic, partition, message_offset, reason, error, handler FROM dead_letters"
            )
        }
        inbox = {str(row["message_id"]) for row in await service.rows("SELECT message_id FROM inbox")}
        for each in said:
            record = each.record
            if record.topic not in decoder.topics:
                continue
            letter = letters.get((record.topic, record.partition, record.offset))
            decoded = decoder.decode(record)
            what = f"{name}: {record.topic}"
            if letter is not None and letter["reason"] == "handler_error":
                report.found(
                    KIND, f"{letter['handler']} of {name} fails: {letter['error'][:160]}", _shown(record)
                )
            elif letter is not None and letter["reason"] in _STRANGERS and isinstance(decoded, Readable):
                report.check(KIND, letter["error"], f"{what}: parked without saying why", _shown(record))
            elif isinstance(decoded, Readable):
                report.check(KIND, letter is None, f"{what}: a readable message was parked", _shown(record))
                report.check(KIND, str(decoded.id) in inbox, f"{what}: a message was lost", _shown(record))
            else:
                report.check(KIND, not good, f"{what}: a good message cannot be read", _shown(record))
                reason = letter["reason"] if letter is not None else None
                told = reason == decoded.reason and letter is not None and letter["error"]
                report.check(KIND, told, f"{what}: parked as {reason}, not {decoded.reason}", _shown(record))
    if good:
        return
    for each in said:
        views = [
            decoder.decode(each.record) for decoder in hearers.values() if each.record.topic in decoder.topics
        ]
        if all(isinstance(view, Unreadable) or isinstance(view.event, Invalid) for view in views):
            suite.bad.add(mark(each.number))
            report.outcomes[KIND]["sent"] -= 1
            report.count(KIND, _reason(views))


def _reason(views: Sequence[Readable | Unreadable]) -> str:
    reasons = sorted({f"parked: {view.reason}" for view in views if isinstance(view, Unreadable)})
    return reasons[0] if reasons else "answered with a refusal"


def _shown(record: Record) -> str:
    return ascii(
        (record.topic, record.partition, record.offset, record.headers[:6], (record.body or b"")[:1_000])
    )


__all__ = ["fuzz_topics"]
