"""A collector inside the test process: receives spans by OTLP/HTTP and shows them as simple objects."""

import gzip
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2


@dataclass(frozen=True)
class Span:
    """A span as the collector got it; ids are hex, kinds as in the conventions (`CONSUMER`)."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str | None
    links: tuple[tuple[str, str], ...]
    """(trace id, span id) of each link."""
    attributes: dict[str, Any]
    resource: dict[str, Any]
    events: tuple[tuple[str, dict[str, Any]], ...]
    """(name, attributes) of each event."""
    error: bool
    status_message: str
    start_ns: int
    end_ns: int
    trace_state: str = ""

    @property
    def traceparent(self) -> str:
        """As work caused by this span continues it."""
        return f"00-{self.trace_id}-{self.span_id}-01"


class Sink:
    """Start with `with Sink() as sink`, give `sink.endpoint` to `tracing.configure`.

    `status` is what it answers (503 to play a collector in trouble); `gate` holds answers back while it is
    cleared (a collector that hangs). Spans of refused requests are not kept.
    """

    def __init__(self) -> None:
        self.status = 200
        self.gate = threading.Event()
        self.gate.set()
        self.requests = 0
        self._spans: list[Span] = []
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def endpoint(self) -> str:
        """The base address; exporters add `/v1/traces`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def spans(self) -> list[Span]:
        """All spans received so far, in order of arrival."""
        with self._changed:
            return list(self._spans)

    def named(self, name: str) -> list[Span]:
        """The spans of this name."""
        return [span for span in self.spans if span.name == name]

    def wait_for(self, predicate: Callable[[list[Span]], object], timeout: float = 10.0) -> list[Span]:
        """Waits until the predicate is true of all spans received and returns them.

        Blocks: from a coroutine, `await asyncio.to_thread(sink.wait_for, ...)`.
        """
        deadline = monotonic() + timeout
        with self._changed:
            while not predicate(self._spans):
                left = deadline - monotonic()
                if left <= 0:
                    names = sorted(f"{span.service}: {span.name}" for span in self._spans)
                    raise AssertionError(
                        f"not seen within {timeout} s; {len(names)} spans came: {names[:50]}"
                    )
                self._changed.wait(left)
            return list(self._spans)

    def clear(self) -> None:
        """Forgets what came."""
        with self._changed:
            self._spans.clear()
            self.requests = 0

    def receive(self, body: bytes) -> int:
        """Takes one request in and returns the status to answer."""
        with self._changed:
            self.requests += 1
            if self.status == 200:
                self._spans.extend(decode(body))
            self._changed.notify_all()
        return self.status

    def close(self) -> None:
        """Stops serving; held answers are let go."""
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.close()


def decode(body: bytes) -> list[Span]:
    """The spans of one ExportTraceServiceRequest."""
    spans = []
    for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = _attributes(resource_spans.resource.attributes)
        spans += [
            Span(
                service=str(resource.get("service.name", "")),
                name=span.name,
                kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                trace_id=span.trace_id.hex(),
                span_id=span.span_id.hex(),
                parent_id=span.parent_span_id.hex() or None,
                links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                attributes=_attributes(span.attributes),
                resource=resource,
                events=tuple((event.name, _attributes(event.attributes)) for event in span.events),
                status_message=span.status.message,
                error=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
                start_ns=span.start_time_unix_nano,
                end_ns=span.end_time_unix_nano,
                trace_state=span.trace_state,
            )
            for scope in resource_spans.scope_spans
            for span in scope.spans
        ]
    return spans


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return None if kind is None else getattr(value, kind)


def _handler(sink: Sink) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # exporters keep their connection
        # Body and headers are two writes; without this each answer waits for a delayed acknowledgement.
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            sink.gate.wait(60)
            status = sink.receive(body) if self.path == "/v1/traces" else 404
            answer = ExportTraceServiceResponse().SerializeToString()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
            except OSError:
                self.close_connection = True  # the exporter did not wait for us

        def log_message(self, *_: object) -> None:
            pass

    return Handler
