"""Tracing: every order is one trace, whoever works on it and however often machines die.

The trace lives in a W3C `traceparent` string that travels with the order (on its aggregate, in the
outbox, in message headers), so nothing here depends on context variables or instrumentation packages.

- Whether a trace is sampled is decided once, from its id, where the trace starts; everybody after that
  obeys the flag. The SDK is entered only for spans that are recorded: a recorded span costs tens of
  microseconds, an unsampled message costs the reading of one character.
- Without an endpoint nothing is recorded, but ids exist, so logs of one order can still be found.
- A span never carries an exception's message: database and validation errors quote personal data.
"""

import os
import random
import re
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Self, TypeVar, cast
from urllib.parse import urlsplit

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    NoOpTracer,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)
from opentelemetry.trace import Span as SdkSpan

SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
"""Version of the semantic conventions that the names below are taken from."""

SERVICE_NAME = "service.name"
SERVICE_NAMESPACE = "service.namespace"
SERVICE_VERSION = "service.version"
SERVICE_INSTANCE_ID = "service.instance.id"
MESSAGING_SYSTEM = "messaging.system"
MESSAGING_OPERATION_NAME = "messaging.operation.name"
MESSAGING_OPERATION_TYPE = "messaging.operation.type"
MESSAGING_DESTINATION_NAME = "messaging.destination.name"
MESSAGING_DESTINATION_PARTITION_ID = "messaging.destination.partition.id"
MESSAGING_CONSUMER_GROUP_NAME = "messaging.consumer.group.name"
MESSAGING_BATCH_MESSAGE_COUNT = "messaging.batch.message_count"
MESSAGING_MESSAGE_ID = "messaging.message.id"
MESSAGING_MESSAGE_CONVERSATION_ID = "messaging.message.conversation_id"
MESSAGING_MESSAGE_BODY_SIZE = "messaging.message.body.size"
MESSAGING_KAFKA_OFFSET = "messaging.kafka.offset"
MESSAGING_KAFKA_MESSAGE_KEY = "messaging.kafka.message.key"
MESSAGING_KAFKA_CLUSTER_ID = "messaging.kafka.cluster.id"
HTTP_REQUEST_METHOD = "http.request.method"
HTTP_RESPONSE_STATUS_CODE = "http.response.status_code"
HTTP_ROUTE = "http.route"
URL_PATH = "url.path"
URL_SCHEME = "url.scheme"
ERROR_TYPE = "error.type"
# Our own names, where the conventions have none.
ORDER_ID = "oms.order.id"
CHANNEL = "oms.channel"
OUTCOME = "oms.outcome"
ATTEMPT = "oms.attempt"
INBOX_DUPLICATE = "oms.inbox.duplicate"
OUTBOX_AGE_MS = "oms.outbox.age_ms"

Value = str | bool | int | float | Sequence[str]
Attributes = Mapping[str, Value]

# About 20 MB of spans when the collector is away; older ones are dropped for newer ones.
_QUEUE = 8_192
_BATCH = 512
_SCHEDULE_MS = 1_000
_EXPORT_TIMEOUT = 3.0  # seconds for one batch, its retries included; only the exporter's own thread waits
_HTTP_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})

# Own generator: a test or a library that seeds the global one would make two processes draw the same ids.
_random = random.Random()
os.register_at_fork(after_in_child=_random.seed)


# --- W3C trace context ---------------------------------------------------------------------------------


class TraceParent(NamedTuple):
    """A valid `traceparent`, taken apart."""

    trace_id: str
    span_id: str
    sampled: bool


# Version ff is forbidden; 00 has exactly four fields; later versions may append fields after a dash.
_TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
_TRACE_ID = slice(3, 35)
_FLAGS_LAST = 54  # index of the character that holds the sampled bit
_ODD = frozenset("13579bdf")


def parse_traceparent(text: str | None) -> TraceParent | None:
    """The parts of a valid W3C `traceparent`, else None. Never raises, whatever another system sent."""
    match = _TRACEPARENT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if more is not None and version == "00":
        return None
    return TraceParent(trace_id, span_id, flags[1] in _ODD)


# W3C asks for at least these sizes to be passed on; longer ones nobody has to.
_MOST_MEMBERS, _LONGEST_STATE = 32, 512
_MEMBER = re.compile(r"[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x21-\x2b\x2d-\x3c\x3e-\x7e ]{0,256}")


def valid_tracestate(text: str | None, traceparent: str | None) -> str:
    """A W3C `tracestate` that may be passed on with its `traceparent`; empty for anything else. Never raises.

    It is what tracing systems tell their own further down the line; we only carry it, and half of it would be a lie.
    """
    if not text or len(text) > _LONGEST_STATE or parse_traceparent(traceparent) is None:
        return ""
    members = [member.strip(" \t") for member in text.split(",")]
    named = [member for member in members if member]
    if len(named) > _MOST_MEMBERS or not all(_MEMBER.fullmatch(member) for member in named):
        return ""
    return ",".join(named)


def is_sampled(traceparent: str | None) -> bool:
    """Whether this is a valid traceparent with the sampled flag. Asked once per message.

    Most messages are not sampled, and one character says so; only the others are looked at closely.
    """
    if not isinstance(traceparent, str) or traceparent[_FLAGS_LAST : _FLAGS_LAST + 1] not in _ODD:
        return False
    return parse_traceparent(traceparent) is not None


def same_trace(a: str | None, b: str | None) -> bool:
    """Whether both are valid and of one trace; what is of another trace is linked, not followed."""
    # Asked for everything that is emitted; nearly always one glance at the ids settles it.
    if a is None or b is None or a[_TRACE_ID] != b[_TRACE_ID]:
        return False
    return parse_traceparent(a) is not None and (a == b or parse_traceparent(b) is not None)


# --- Spans ---------------------------------------------------------------------------------------------


class Span:
    """A piece of work in a trace, recorded or not: callers need not know.

    `traceparent` is what work caused by this one continues; `end` may be called more than once, only
    the first call counts.
    """

    __slots__ = ("_span", "recorded", "traceparent")

    def __init__(self, traceparent: str, span: SdkSpan | None = None) -> None:
        self.traceparent = traceparent
        self.recorded = span is not None
        self._span = span

    @property
    def trace_id(self) -> str:
        """32 hex digits, for logs and answers."""
        return self.traceparent[3:35]

    def set(self, key: str, value: Value) -> None:
        """Adds an attribute; nothing happens on a span that is not recorded or has ended."""
        if self._span is not None:
            self._span.set_attribute(key, value)

    def end(
        self, outcome: str | None = None, error: BaseException | str | None = None, end_ns: int | None = None
    ) -> None:
        """Ends the span: after the commit, so that rolled-back work never shows as success.

        `outcome` is one of few words (`handled`, `duplicate`, `parked`); `error` is an exception, of which
        only the class is kept, or a word for it.
        """
        span, self._span = self._span, None
        if span is None:
            return
        if outcome is not None:
            span.set_attribute(OUTCOME, outcome)
        if error is not None:
            span.set_attribute(ERROR_TYPE, error if isinstance(error, str) else _class_of(error))
            span.set_status(Status(StatusCode.ERROR))
        span.end(end_ns)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end(error=error)


_SpanT = TypeVar("_SpanT", bound=Span)

ProcessSpan = Span
"""The span of one consumed message; what its handler emits is sent under its `traceparent`."""


class ServerSpan(Span):
    """The span of one HTTP request."""

    __slots__ = ()

    def respond(self, status: int, route: str | None = None) -> None:
        """Notes the answer's status and ends the span; only 5xx is our error (semantic conventions).

        `route` is the template that answered, known only after routing: the span is named after it.
        """
        if self._span is not None and route is not None:
            self._span.set_attribute(HTTP_ROUTE, route)
            self._span.update_name(f"{cast(ReadableSpan, self._span).name.partition(' ')[0]} {route}")
        self.set(HTTP_RESPONSE_STATUS_CODE, status)
        self.end(error=str(status) if status >= 500 else None)


def traceparent_of(span: Span) -> str:
    """What work caused by this span continues."""
    return span.traceparent


def _class_of(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


# --- The one object a service holds ----------------------------------------------------------------------


class Tracing:
    """Starts spans for one service. Made by `configure`, stopped by `shutdown`."""

    def __init__(self, sample_ratio: float, pipeline: "_Pipeline | None") -> None:
        self._bound = _bound(sample_ratio) if pipeline is not None else 0
        self._pipeline = pipeline

    @property
    def enabled(self) -> bool:
        """Whether anything can be recorded at all."""
        return self._pipeline is not None

    traceparent_of = staticmethod(traceparent_of)

    def new_trace(self) -> str:
        """The traceparent of a fresh trace; records nothing. The sampled flag follows from the trace id."""
        trace_id = _random_id(128)
        return _format(trace_id, _random_id(64), _low(trace_id) < self._bound)

    def start_root(self, name: str, attributes: Attributes | None = None, link: str | None = None) -> Span:
        """The first span of an order, e.g. `place order`; its traceparent becomes the order's.

        `link` is the trace that caused it (a person's request, another system's message): that one has a
        sampling and a length of its own, so it is linked, not followed.
        """
        traceparent = self.new_trace()
        if self._pipeline is None or traceparent[_FLAGS_LAST] not in _ODD:
            return Span(traceparent)
        return self._start(Span, name, SpanKind.INTERNAL, None, _links([link]), attributes)

    def process_span(
        self,
        topic: str,
        traceparent: str | None,
        attributes: Attributes | None = None,
        start_ns: int | None = None,
        *,
        group: str | None = None,
        partition: int | None = None,
        offset: int | None = None,
        message_id: str | None = None,
        tracestate: str = "",
    ) -> ProcessSpan | None:
        """The span of handling one message, or None unless its traceparent is valid and sampled.

        It is a child of the message's creation, which makes an order one trace, and also linked to it,
        as messaging conventions ask. End it after the commit.
        """
        if self._pipeline is None or not is_sampled(traceparent):
            return None
        parent = parse_traceparent(traceparent)
        values: dict[str, Value] = {
            MESSAGING_SYSTEM: "kafka",
            MESSAGING_OPERATION_NAME: "process",
            MESSAGING_OPERATION_TYPE: "process",
            MESSAGING_DESTINATION_NAME: topic,
        }
        if group is not None:
            values[MESSAGING_CONSUMER_GROUP_NAME] = group
        if partition is not None:
            values[MESSAGING_DESTINATION_PARTITION_ID] = str(partition)
        if offset is not None:
            values[MESSAGING_KAFKA_OFFSET] = offset
        if message_id is not None:
            values[MESSAGING_MESSAGE_ID] = message_id
        if attributes:
            values.update(attributes)
        return self._start(
            Span,
            f"process {topic}",
            SpanKind.CONSUMER,
            parent,
            _links([traceparent]),
            values,
            start_ns,
            tracestate,
        )

    def batch_span(
        self,
        name: str,
        links: Iterable[str | None],
        attributes: Attributes | None = None,
        start_ns: int | None = None,
    ) -> Span | None:
        """The span of sending one batch, e.g. `send order.placed`, in a trace of its own.

        It is linked to every *sampled* creation in the batch and None when there is none: messages keep
        the context they were created with, so this span is never anybody's parent.
        """
        if self._pipeline is None:
            return None
        sampled = _links(link for link in dict.fromkeys(links) if is_sampled(link))
        if not sampled:
            return None
        operation, _, topic = name.partition(" ")
        values: dict[str, Value] = {
            MESSAGING_SYSTEM: "kafka",
            MESSAGING_OPERATION_NAME: operation,
            MESSAGING_OPERATION_TYPE: operation,
        }
        if topic:
            values[MESSAGING_DESTINATION_NAME] = topic
        if attributes:
            values.update(attributes)
        return self._start(Span, name, SpanKind.CLIENT, None, sampled, values, start_ns)

    def server_span(
        self,
        method: str,
        route: str | None,
        traceparent_header: str | None,
        attributes: Attributes | None = None,
    ) -> ServerSpan:
        """The span of an HTTP request: child of a valid caller, whose sampling it obeys, else a new trace.

        `route` is the template (`/orders/{order_id}`), never the path, so that names stay few; None before
        routing, `respond` takes it then.
        """
        parent = parse_traceparent(traceparent_header)
        if parent is not None and traceparent_header is not None:
            recorded, traceparent = parent.sampled, traceparent_header
        else:
            traceparent = self.new_trace()
            recorded = traceparent[_FLAGS_LAST] in _ODD
        if self._pipeline is None or not recorded:
            return ServerSpan(traceparent)
        known = method in _HTTP_METHODS
        values: dict[str, Value] = {
            HTTP_REQUEST_METHOD: method if known else "_OTHER",
            **({HTTP_ROUTE: route} if route is not None else {}),
            **(attributes or {}),
        }
        name = " ".join(filter(None, (method if known else "HTTP", route)))
        return self._start(ServerSpan, name, SpanKind.SERVER, parent, [], values)

    def internal_span(
        self,
        name: str,
        trace: str | None = None,
        link: str | None = None,
        attributes: Attributes | None = None,
    ) -> Span:
        """The span of work nobody's message or request started: a deadline, a purge, a replay.

        With `trace` it is that trace's child; else it starts a trace, recorded when the linked one is (so
        what happened late to a sampled order can be found) or, without a link, by the ratio.
        """
        parent = parse_traceparent(trace)
        if parent is not None and trace is not None:
            recorded, traceparent = parent.sampled, trace
        elif link is not None:
            recorded, traceparent = is_sampled(link), _format(_random_id(128), _random_id(64), False)
        else:
            traceparent = self.new_trace()
            recorded = traceparent[_FLAGS_LAST] in _ODD
        if self._pipeline is None or not recorded:
            return Span(traceparent)
        return self._start(Span, name, SpanKind.INTERNAL, parent, _links([link]), attributes)

    def shutdown(self, timeout: float = 5.0) -> bool:
        """Sends what is left and stops; returns after at most about `timeout` seconds.

        False when time ran out: what was left is lost. Calling it twice is harmless. It blocks, so a
        coroutine calls it in a thread.
        """
        return self._pipeline is None or self._pipeline.shutdown(timeout)

    def _start(
        self,
        handle: type[_SpanT],
        name: str,
        kind: SpanKind,
        parent: TraceParent | None,
        links: Sequence[Link],
        attributes: Attributes | None,
        start_ns: int | None = None,
        tracestate: str = "",
    ) -> _SpanT:
        assert self._pipeline is not None  # noqa: S101 - every caller looked
        span = self._pipeline.tracer.start_span(
            name,
            context=_context(parent, tracestate),
            kind=kind,
            attributes=attributes,
            links=links,
            start_time=start_ns,
        )
        context = span.get_span_context()
        return handle(_format(context.trace_id, context.span_id, True), span)


def configure(
    service: str,
    endpoint: str | None,
    sample_ratio: float,
    version: str,
    *,
    on_lost: Callable[[int], None] | None = None,
) -> Tracing:
    """Tracing of one service, exporting by OTLP/HTTP to `endpoint`, or of none when that is None.

    `endpoint` is a collector's base address or its full `/v1/traces` one. A collector that is slow, away
    or broken costs spans, never time: the queue is bounded and only its own thread talks to the network.
    `on_lost` hears how many spans were dropped; it is called from any thread and must return at once.
    """
    if not 0.0 <= sample_ratio <= 1.0:
        raise ValueError("sample_ratio must lie between 0 and 1")
    if endpoint is None:
        return Tracing(sample_ratio, None)
    pipeline = _Pipeline(service, endpoint, sample_ratio, version, on_lost)
    if isinstance(pipeline.tracer, NoOpTracer):
        # An operator switched the SDK off by its own means; its spans would have no valid ids.
        pipeline.shutdown(0)
        return Tracing(sample_ratio, None)
    return Tracing(sample_ratio, pipeline)


# --- Below: the SDK, wired so that it can be ignored -----------------------------------------------------


def _low(trace_id: int) -> int:
    return trace_id & 0xFFFF_FFFF_FFFF_FFFF


def _bound(ratio: float) -> int:
    """Ids whose low 64 bits lie below this are sampled; the same rule as the SDK's TraceIdRatioBased."""
    return round(ratio * 2**64)


def _random_id(bits: int) -> int:
    # Zero is invalid.
    return _random.getrandbits(bits) or 1


def _format(trace_id: int, span_id: int, sampled: bool) -> str:
    return f"00-{trace_id:032x}-{span_id:016x}-{'01' if sampled else '00'}"


def _remote(parent: TraceParent, tracestate: str = "") -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if parent.sampled else TraceFlags.DEFAULT)
    state = TraceState.from_header([tracestate]) if tracestate else None
    return SpanContext(int(parent.trace_id, 16), int(parent.span_id, 16), True, flags, state)


def _context(parent: TraceParent | None, tracestate: str = "") -> Context:
    """Always explicit, so that no parent is ever found by accident in a context variable."""
    nothing = Context()
    return (
        nothing
        if parent is None
        else set_span_in_context(NonRecordingSpan(_remote(parent, tracestate)), nothing)
    )


def _links(traceparents: Iterable[str | None]) -> list[Link]:
    parsed = (parse_traceparent(text) for text in traceparents)
    return [Link(_remote(parent)) for parent in parsed if parent is not None]


class _SampledIds(IdGenerator):
    """Draws trace ids from the sampled ones only.

    The SDK is entered after the decision to record, and new_trace tossed the coin by an id of its own;
    drawing from the sampled ids keeps "sampled" a function of the id, so that other systems that sample by
    the same rule agree.
    """

    def __init__(self, bound: int) -> None:
        # With ratio 0 only work linked to somebody else's sampled trace gets here.
        self._bound = bound or 2**64

    def generate_trace_id(self) -> int:
        return (_random.getrandbits(64) << 64 | _random.randrange(self._bound)) or 1

    def generate_span_id(self) -> int:
        return _random_id(64)


class _Loss:
    """Counts spans that were recorded and never arrived."""

    def __init__(self, report: Callable[[int], None] | None) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._waiting = 0

    def queued(self) -> None:
        with self._lock:
            full = self._waiting >= _QUEUE
            self._waiting += not full
        if full:
            self.lost(1)

    def taken(self, spans: int) -> None:
        with self._lock:
            self._waiting -= spans

    def give_up(self) -> None:
        """Reports what still waits, once; nothing is heard after that."""
        with self._lock:
            waiting = self._waiting
        self.lost(waiting)
        self._report = None

    def lost(self, spans: int) -> None:
        if self._report is not None and spans:
            self._report(spans)


class _Exporter(SpanExporter):
    """The OTLP exporter, its failures counted."""

    def __init__(self, inner: SpanExporter, loss: _Loss) -> None:
        self._inner = inner
        self._loss = loss

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._loss.taken(len(spans))
        result = self._inner.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._loss.lost(len(spans))
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()


class _Processor(BatchSpanProcessor):
    """The batch processor, what does not fit its queue counted."""

    def __init__(self, exporter: SpanExporter, loss: _Loss) -> None:
        super().__init__(
            exporter, max_queue_size=_QUEUE, schedule_delay_millis=_SCHEDULE_MS, max_export_batch_size=_BATCH
        )
        self._loss = loss

    def on_end(self, span: ReadableSpan) -> None:
        self._loss.queued()
        super().on_end(span)


class _Pipeline:
    """Provider, processor and exporter of one service."""

    def __init__(
        self,
        service: str,
        endpoint: str,
        sample_ratio: float,
        version: str,
        on_lost: Callable[[int], None] | None,
    ) -> None:
        if urlsplit(endpoint).scheme not in ("http", "https"):
            raise ValueError("the OTLP endpoint must be an http:// or https:// address")
        url = endpoint.rstrip("/")
        self._loss = _Loss(on_lost)
        otlp = OTLPSpanExporter(
            endpoint=url if url.endswith("/v1/traces") else f"{url}/v1/traces",
            timeout=_EXPORT_TIMEOUT,
            compression=Compression.Gzip,
            session=_session(),
        )
        self._exporter = _Exporter(otlp, self._loss)
        self._provider = TracerProvider(
            # The ratio was applied before the SDK is entered (see _SampledIds): roots that get here are
            # recorded, children obey their parent's flag.
            sampler=ParentBased(ALWAYS_ON),
            resource=Resource(
                {
                    SERVICE_NAME: service,
                    SERVICE_NAMESPACE: "oms",
                    SERVICE_VERSION: version,
                    SERVICE_INSTANCE_ID: str(uuid.uuid4()),
                },
                SCHEMA_URL,
            ),
            # The service's own shutdown is bounded, the SDK's exit hook is not.
            shutdown_on_exit=False,
            id_generator=_SampledIds(_bound(sample_ratio)),
            # A relay's batch links to as many creations as a page has rows.
            span_limits=SpanLimits(max_links=1_024, max_attribute_length=1_024),
        )
        self._provider.add_span_processor(_Processor(self._exporter, self._loss))
        self.tracer = self._provider.get_tracer("oms", version, schema_url=SCHEMA_URL)
        self._stopping: threading.Thread | None = None

    def shutdown(self, timeout: float) -> bool:
        """Stops in a thread of its own, because the SDK's shutdown waits up to 30 s whatever one says."""
        if self._stopping is None:
            stop = self._provider.shutdown
            self._stopping = threading.Thread(target=stop, name="tracing-stop", daemon=True)
            self._stopping.start()
        self._stopping.join(timeout)
        if self._stopping.is_alive():
            # Wakes an exporter that waits for its next attempt, so that no thread outlives us for long.
            self._exporter.shutdown()
            self._loss.give_up()
            return False
        return True


def _session() -> requests.Session:
    session = requests.Session()
    # Proxies and .netrc of the environment are not this service's settings.
    session.trust_env = False
    return session
