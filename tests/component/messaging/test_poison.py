"""Messages that nobody can handle are put aside with the reason; their neighbours do not notice."""

import json
from typing import Any

from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy, _DefaultRecordBatchPy

from deploy.local import Platform
from shared.contracts.envelope import MAX_BODY_BYTES
from shared.messaging import dead_letters
from shared.messaging.dead_letters import Selection
from tests.component.messaging.support import CURSED, captured, headers, say_many
from tests.harness.service import Running, Wire, until
from tests.harness.tally import sums, tallying

TOPIC = "payment.captured"


def body(**changes: Any) -> bytes:
    return json.dumps(
        {"order_id": "poison", "payment_id": "p", "amount": 1, "currency": "EUR", **changes}
    ).encode()


def exactly(size: int) -> bytes:
    """A valid message of this many bytes, the filling in a field that readers ignore."""
    return body(filling="x" * (size - len(body(filling=""))))


POISON: dict[str, tuple[str, list[tuple[str, bytes | None]], bytes | None]] = {
    "a header that we need is not UTF-8": ("bad_header", headers(ce_type=b"\xff\xfe"), body()),
    "a header that we need is null": ("missing_header", headers(ce_id=None), body()),
    "no headers at all": ("missing_header", [], body()),
    "no source": ("missing_header", headers(ce_source=b"-"), body()),
    "an unknown type": ("unknown_type", headers(ce_type=b"payment.eaten.v1"), body()),
    "a type with a NUL": ("unknown_type", headers(ce_type=b"payment\x00"), body()),
    "a newer version": ("unknown_type", headers(ce_type=b"payment.captured.v2"), body()),
    "a type of another topic": ("wrong_topic", headers(ce_type=b"payment.voided.v1"), body()),
    "a tombstone": ("null_body", headers(), None),
    "an empty body": ("invalid_event", headers(), b""),
    "not JSON": ("invalid_event", headers(), b"<xml/>"),
    "not UTF-8": ("invalid_event", headers(), b'{"order_id": "\xff\xfe"}'),
    "not an object": ("invalid_event", headers(), b"[1, 2]"),
    "half of it": ("invalid_event", headers(), body()[:-3]),
    "missing fields": ("invalid_event", headers(), b'{"order_id": "poison"}'),
    "a number beyond 64 bits": ("invalid_event", headers(), body(amount=2**70)),
    "a number of 5,000 digits": ("invalid_event", headers(), body().replace(b"1", b"9" * 5000)),
    "a fraction of a cent": ("invalid_event", headers(), body(amount=1.5)),
    "nested 10,000 deep": (
        "invalid_event",
        headers(),
        body(x=0).replace(b'"x": 0', b'"x": ' + b"[" * 10_000 + b"]" * 10_000),
    ),
    "a NUL in a key": ("invalid_event", headers(), body(order_id="a\x00b")),
    "half a surrogate pair": ("invalid_event", headers(), body(order_id="\ud800")),
    "the handler fails": ("handler_error", headers(), body(amount=CURSED)),
}
STRANGE_BUT_FINE = {
    "binary and null headers that we do not need": (
        [*headers(), ("x", b"\xff\x00"), ("y", None), ("z", b"")],
        body(),
    ),
    "a header name with a NUL": ([*headers(), ("a\x00b", b"1")], body()),
    "rubbish as traceparent and time": (
        [*headers(), ("traceparent", b"\xff00"), ("ce_time", b"99999-01-01")],
        body(),
    ),
    "a time far in the future": ([*headers(), ("ce_time", b"9999-12-31T23:59:59-12:00")], body()),
    "a body of 1 MiB": (headers(), exactly(MAX_BODY_BYTES)),
    "a body over 1 MiB": (headers(), exactly(MAX_BODY_BYTES + 500_000)),
    "an id of any bytes": (headers(ce_id="\x00/🂡".encode()), body()),
}


async def parked(service: Running) -> list[dict[str, Any]]:
    async with service.service.unit.begin() as (session, _):
        return await dead_letters.parked(session, Selection(), limit=1000)


async def test_poison_of_every_kind_is_parked_with_its_reason(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    # Before the service starts: what cannot be read stands in one batch with what can.
    for number, (_, strange_headers, value) in enumerate(POISON.values()):
        await topics.raw(TOPIC, b"same key", value, strange_headers)
        await topics.say(captured("good", number))
    async with tallying(platform, prefix=topic_prefix, breaker_limit=50) as service:
        await service.settled()
        assert await sums(service) == {"good": len(POISON)}
        rows = await parked(service)
        assert [row["reason"] for row in rows if row["reason"] != "handler_error"] == [
            reason for reason, _, _ in POISON.values() if reason != "handler_error"
        ]
        assert [row["error"] for row in rows if row["reason"] == "handler_error"] == [
            "ValueError: this amount is cursed"
        ]
        assert all(row["error"] for row in rows)
        page = (await service.http.get("/metrics")).text
        assert 'oms_contract_unknown_type_total{service="tally",topic="payment.captured"} 3.0' in page


async def test_strange_messages_that_can_be_read_are_handled(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    for number, (strange_headers, value) in enumerate(STRANGE_BUT_FINE.values()):
        unique = [
            (name, (text or b"") + str(number).encode() if name == "ce_id" else text)
            for name, text in strange_headers
        ]
        await topics.raw(TOPIC, None if number % 2 else b"k", value, unique)
    async with tallying(platform, prefix=topic_prefix) as service:
        await service.settled()
        assert await parked(service) == []
        assert await sums(service) == {"poison": len(STRANGE_BUT_FINE)}


async def test_what_is_parked_is_whole(platform: Platform, topic_prefix: str, topics: Wire) -> None:
    strange = [("ce_id", b"\xff"), ("a\x00b", b"\x00\x01"), ("none", None), ("text", "ü".encode())]
    await topics.raw(TOPIC, b"\xff\x00key", b"\x00\xff body", strange)
    async with tallying(platform, prefix=topic_prefix) as service:
        [letter] = await until(lambda: parked(service), "it is parked")
        async with service.service.unit.begin() as (session, _):
            found = await dead_letters.find(session, letter["id"])
        assert found is not None
        record = found.original
        assert (record.key, record.body) == (b"\xff\x00key", b"\x00\xff body")
        assert record.headers == [
            ("ce_id", b"\xff"),
            ("a\ufffdb", b"\x00\x01"),
            ("none", None),
            ("text", "ü".encode()),
        ]


class _NoText(str):
    """A header's name as these bytes, which no client's library would send."""

    def encode(self, *_: object) -> bytes:
        return b"x-\xff\xfe"


async def _send_misnamed(topics: Wire, name: str, codec: int = 0) -> None:
    """A batch of three, of which the one in the middle has a header whose name is no text."""
    batch = topics.producer.create_batch()
    batch._builder = _DefaultRecordBatchBuilderPy(2, codec, 0, -1, -1, 0, 2**20)
    for part, more in (("before", []), ("broken", [(_NoText("?"), b"1")]), ("after", [])):
        these = [*headers(ce_id=f"{name}-{part}".encode()), *more]
        batch.append(timestamp=None, key=b"k", value=body(order_id=part), headers=these)
    batch.close()
    await (await topics.producer.send_batch(batch, topics.prefix + TOPIC, partition=0))


async def test_a_header_whose_name_is_no_text_parks_its_message_and_the_partition_goes_on(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    await _send_misnamed(topics, "plain")
    await _send_misnamed(topics, "compressed", codec=_DefaultRecordBatchPy.CODEC_ZSTD)
    async with tallying(platform, prefix=topic_prefix) as service:
        await service.settled()
        assert await sums(service) == {"before": 2, "after": 2}
        await _send_misnamed(topics, "while it runs")
        await topics.say(captured("good"))
        await service.settled()
        assert await sums(service) == {"before": 3, "after": 3, "good": 1}
        rows = await parked(service)
        assert [row["reason"] for row in rows] == ["bad_header"] * 3
        assert "'x-\\udcff\\udcfe'" in rows[0]["error"]


async def test_only_what_fails_is_parked_out_of_a_batch(
    platform: Platform, topic_prefix: str, topics: Wire
) -> None:
    events = [captured("same", number, CURSED if number % 10 == 7 else 1) for number in range(60)]
    await say_many(topics, events)
    async with tallying(platform, prefix=topic_prefix) as service:
        await service.settled()
        assert await sums(service) == {"same": 54}
        assert [row["message_offset"] for row in await parked(service)] == [7, 17, 27, 37, 47, 57]
