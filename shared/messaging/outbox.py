"""The way out, first half: an event becomes a row of final bytes in the transaction that made it true."""

from datetime import datetime
from zlib import crc32

import orjson

from shared.contracts.envelope import MAX_BODY_BYTES, Event
from shared.contracts.registry import MODELS
from shared.db.bulk import Session
from shared.db.ids import new_id
from shared.messaging.schema import outbox


class Unsendable(ValueError):
    """An event that Kafka or its readers would refuse: too large, or of a type no registry knows."""


class Outbox:
    """Collects what a transaction says and writes it as one statement at its end.

    The handler has locked the aggregates by then, so ids of one aggregate rise in the order of commits,
    which is all the order the relay needs.
    """

    def __init__(self, source: str, shards: int, topic_prefix: str) -> None:
        self._source = source
        self._shards = shards
        self._prefix = topic_prefix
        self._rows: list[dict[str, object]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(
        self,
        event: Event,
        *,
        trace: str,
        sequence: int,
        now: datetime,
        cause: str | None = None,
        tracestate: str = "",
    ) -> str:
        """Take an event to be said; returns its message id. Raises Unsendable for what nobody could read."""
        ce_type = event.ce_type()
        if MODELS.get(ce_type) is not type(event):
            raise Unsendable(f"{ce_type} is not in the registry of contracts")
        body = event.__pydantic_serializer__.to_json(event, exclude_none=True)
        if len(body) > MAX_BODY_BYTES:
            raise Unsendable(
                f"{ce_type} of {event.subject()} has {len(body)} bytes, more than {MAX_BODY_BYTES}"
            )
        key = event.key()
        message_id = new_id()
        headers = [
            ("ce_specversion", "1.0"),
            ("ce_id", message_id),
            ("ce_type", ce_type),
            ("ce_source", self._source),
            ("ce_time", now.isoformat()),
            ("ce_subject", event.subject()),
            ("ce_sequence", f"{sequence:010d}"),
            ("ce_partitionkey", key),
            ("content-type", "application/json"),
            ("traceparent", trace),
        ]
        if tracestate:
            headers.append(("tracestate", tracestate))
        if cause:
            headers.append(("ce_causationid", cause))
        self._rows.append(
            {
                "shard": crc32(key.encode()) % self._shards,
                "topic": self._prefix + event.topic,
                "key": key,
                "headers": orjson.dumps(headers),
                "body": body,
            }
        )
        return message_id

    async def flush(self, session: Session) -> int:
        """Write what was collected, in order; returns how many rows. Called once, last, before the commit."""
        rows, self._rows = self._rows, []
        await session.insert(outbox, rows)
        return len(rows)
