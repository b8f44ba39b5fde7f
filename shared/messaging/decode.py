"""From bytes to a message, or to the reason why not. Nothing in here raises for bad input."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from pydantic import ValidationError

from shared.contracts.envelope import Event
from shared.contracts.field_errors import field_errors
from shared.messaging.inbox import inbox_id
from shared.messaging.message import Invalid, Route
from shared.telemetry.tracing import valid_tracestate
from shared.value_object import value_object

Headers = Sequence[tuple[str | None, bytes | None]]
_LAST_MS = 253_402_200_000_000  # the day before the year 10000, in every time zone


class Misnamed(tuple[tuple[str, bytes | None], ...]):
    """Headers of which a name is not UTF-8: its bytes stand in it as lone surrogates."""


@value_object
class Record:
    """A message as the broker keeps it; `topic` is without the installation's prefix."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    headers: Headers
    body: bytes | None

    @property
    def appended_at(self) -> datetime:
        """When the broker took it (UTC). A time that no calendar has, from a producer's clock, becomes the nearest."""
        return datetime.fromtimestamp(min(max(self.timestamp_ms, 0), _LAST_MS) / 1000, UTC)


@dataclass(slots=True)
class Readable:
    """A record with its route and the event it carries."""

    record: Record
    route: Route
    id: str
    event: Event | Invalid
    trace: str | None
    created: str | None
    sender_id: str = ""
    tracestate: str = ""


@value_object
class Unreadable:
    """A record nobody can handle: `reason` is one of a few codes, `error` names the field and the remedy."""

    record: Record
    reason: str
    error: str


class Decoder:
    """Reads records for one routing table."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes: dict[str, tuple[type[Event], Route]] = {}
        for route in routes:
            for model in route.events:
                if model.ce_type() in self._routes:
                    raise ValueError(f"two routes hear {model.ce_type()}")
                self._routes[model.ce_type()] = (model, route)
        self.topics = tuple(sorted({model.topic for model, _ in self._routes.values()}))
        """The topics to subscribe to."""

    def decode(self, record: Record) -> Readable | Unreadable:
        """The message in a record, or why it cannot be handled."""
        if isinstance(record.headers, Misnamed):
            names = ascii([name for name, _ in record.headers])
            return Unreadable(record, "bad_header", f"the name of a header is not UTF-8: {names[:1_000]}")
        try:
            needed = _needed(record.headers)
        except UnicodeDecodeError as error:
            return Unreadable(record, "bad_header", f"a ce_ header is not UTF-8: {error}")
        for name in ("ce_type", "ce_id", "ce_source"):
            if not needed.get(name):
                return Unreadable(
                    record, "missing_header", f"{name} is missing: send CloudEvents 1.0 in binary mode"
                )
        found = self._routes.get(needed["ce_type"])
        if found is None:
            known = ", ".join(
                sorted(name for name, (model, _) in self._routes.items() if model.topic == record.topic)
            )
            return Unreadable(record, "unknown_type", f"ce_type {needed['ce_type']!r} is not one of: {known}")
        model, route = found
        if model.topic != record.topic:
            return Unreadable(record, "wrong_topic", f"{needed['ce_type']} belongs on {model.topic}")
        if record.body is None:
            return Unreadable(record, "null_body", "the body is null: an event needs a JSON object")
        message_id = inbox_id(needed["ce_source"], needed["ce_id"])
        try:
            event: Event | Invalid = model.__pydantic_validator__.validate_json(record.body)
        except ValidationError as error:
            faults = field_errors(error)
            body = _object(record.body) if route.accept_invalid else None
            if body is None:
                text = "; ".join(f"{fault.field}: {fault.problem}" for fault in faults[:20])
                return Unreadable(record, "invalid_event", text)
            event = Invalid(model, body, faults)
        trace, state = needed.get("traceparent"), needed.get("tracestate")
        if trace is not None and not (trace.isascii() and trace.isprintable()):
            trace = None  # Rubbish begins a trace of its own: not even a database could keep it.
        return Readable(
            record,
            route,
            message_id,
            event,
            trace,
            needed.get("ce_time"),
            sender_id=needed["ce_id"],
            tracestate=valid_tracestate(state, trace) if state else "",
        )


def _needed(headers: Headers) -> dict[str, str]:
    found = dict(headers)
    return {
        name: value.decode("utf-8", errors)
        for name, errors in _NEEDED.items()
        if (value := found.get(name)) is not None
    }


# Which headers are read, and what becomes of one that is not UTF-8: of the last ones rubbish is as good as nothing.
_NEEDED = {
    "ce_type": "strict",
    "ce_id": "strict",
    "ce_source": "strict",
    "traceparent": "replace",
    "tracestate": "replace",
    "ce_time": "replace",
}


def _object(body: bytes) -> Mapping[str, Any] | None:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
