"""Spans as a collector receives them, and what happens when there is none or it is in trouble."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import Tracer, TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased
from opentelemetry.semconv._incubating.attributes import messaging_attributes
from opentelemetry.semconv.attributes import (
    error_attributes,
    http_attributes,
    service_attributes,
    url_attributes,
)
from opentelemetry.semconv.schemas import Schemas

from shared.telemetry import tracing
from shared.telemetry.tracing import (
    INBOX_DUPLICATE,
    ORDER_ID,
    OUTCOME,
    Span,
    Tracing,
    configure,
    is_sampled,
    parse_traceparent,
    same_trace,
    traceparent_of,
)
from tests.harness.otlp import Sink
from tests.harness.otlp import Span as Seen

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


@pytest.fixture
def traced(sink: Sink) -> Iterator[Tracing]:
    tracing = configure("inventory", sink.endpoint, 1.0, "1.2.3")
    yield tracing
    tracing.shutdown(5)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of all spans the SDK was asked for: what tracing costs."""
    names: list[str] = []
    start = Tracer.start_span

    def counted(self: Tracer, name: str, *args: Any, **more: Any) -> Any:
        names.append(name)
        return start(self, name, *args, **more)

    monkeypatch.setattr(Tracer, "start_span", counted)
    return names


def arrived(tracing: Tracing, sink: Sink) -> dict[str, Seen]:
    """All spans by name, once everything was sent."""
    assert tracing.shutdown(10)
    spans = {span.name: span for span in sink.spans}
    assert len(spans) == len(sink.spans)
    return spans


# --- One order, one trace --------------------------------------------------------------------------------


def test_an_order_is_one_trace_across_hops(traced: Tracing, sink: Sink) -> None:
    root = traced.start_root("place order", {ORDER_ID: "o-1"}, link=SAMPLED)
    order = traceparent_of(root)
    root.end()
    first = traced.process_span(
        "order.placed", order, group="inventory", partition=3, offset=7, message_id="m-1"
    )
    assert first is not None
    second = traced.process_span("stock.reserved", first.traceparent, {INBOX_DUPLICATE: False})
    assert second is not None
    second.end("handled")
    first.end("handled")

    spans = arrived(traced, sink)
    place, process, reserved = (
        spans["place order"],
        spans["process order.placed"],
        spans["process stock.reserved"],
    )
    assert {span.trace_id for span in spans.values()} == {root.trace_id}
    assert place.parent_id is None
    assert process.parent_id == place.span_id
    assert reserved.parent_id == process.span_id
    # A child of the creation and linked to it; what caused the order is only linked.
    assert process.links == ((place.trace_id, place.span_id),)
    assert place.links == ((SAMPLED[3:35], SAMPLED[36:52]),)
    assert place.trace_id != SAMPLED[3:35]
    assert (place.kind, process.kind) == ("INTERNAL", "CONSUMER")
    assert process.traceparent == first.traceparent
    assert place.attributes == {ORDER_ID: "o-1"}
    assert process.attributes == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "order.placed",
        "messaging.destination.partition.id": "3",
        "messaging.consumer.group.name": "inventory",
        "messaging.kafka.offset": 7,
        "messaging.message.id": "m-1",
        OUTCOME: "handled",
    }
    assert reserved.attributes[INBOX_DUPLICATE] is False
    assert process.service == "inventory"
    assert process.resource["service.version"] == "1.2.3"
    assert process.resource["service.namespace"] == "oms"
    assert process.resource["service.instance.id"]


@pytest.mark.parametrize("traceparent", [None, "", "nonsense", UNSAMPLED, SAMPLED.upper(), SAMPLED + "-x"])
def test_no_process_span_without_a_sampled_creation(
    traced: Tracing, started: list[str], traceparent: str | None
) -> None:
    assert traced.process_span("order.placed", traceparent) is None
    assert started == []


def test_what_other_tracing_systems_keep_goes_along(traced: Tracing, sink: Sink) -> None:
    span = traced.process_span("order.placed", SAMPLED, tracestate="vendor=1,other=2")
    assert span is not None
    span.end()
    assert arrived(traced, sink)["process order.placed"].trace_state == "vendor=1,other=2"


def test_a_process_span_covers_the_time_it_is_told(traced: Tracing, sink: Sink) -> None:
    span = traced.process_span("order.placed", SAMPLED, start_ns=1_000)
    assert span is not None
    span.end(end_ns=3_000)
    seen = arrived(traced, sink)["process order.placed"]
    assert (seen.start_ns, seen.end_ns) == (1_000, 3_000)


def test_an_error_keeps_its_class_and_nothing_it_quotes(traced: Tracing, sink: Sink) -> None:
    span = traced.process_span("order.placed", SAMPLED)
    assert span is not None
    span.end("parked", ValueError("jane@example.org is no number"))
    with pytest.raises(KeyError), traced.internal_span("purge"):
        raise KeyError("jane@example.org")
    other = traced.internal_span("audit")
    other.end(error="timeout")

    spans = arrived(traced, sink)
    assert all(span.error for span in spans.values())
    assert spans["process order.placed"].attributes["error.type"] == "ValueError"
    assert spans["purge"].attributes["error.type"] == "KeyError"
    assert spans["audit"].attributes["error.type"] == "timeout"
    assert "jane" not in repr(sink.spans)


def test_only_the_first_end_counts(traced: Tracing, sink: Sink) -> None:
    span = traced.internal_span("purge")
    span.end("first")
    span.end("second", error="late")
    span.set("late", True)
    seen = arrived(traced, sink)["purge"]
    assert seen.attributes == {OUTCOME: "first"}
    assert not seen.error


# --- Batches, requests, jobs -----------------------------------------------------------------------------


def test_a_batch_links_to_every_sampled_creation_once(traced: Tracing, sink: Sink) -> None:
    other = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    span = traced.batch_span(
        "send order.placed",
        links=[SAMPLED, UNSAMPLED, None, "nonsense", other, SAMPLED],
        attributes={tracing.MESSAGING_BATCH_MESSAGE_COUNT: 6},
    )
    assert span is not None
    span.end()
    seen = arrived(traced, sink)["send order.placed"]
    assert seen.links == ((SAMPLED[3:35], SAMPLED[36:52]), ("a" * 32, "b" * 16))
    assert seen.kind == "CLIENT"
    assert seen.parent_id is None
    assert seen.trace_id not in (SAMPLED[3:35], "a" * 32)
    assert seen.attributes == {
        "messaging.system": "kafka",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": "order.placed",
        "messaging.batch.message_count": 6,
    }


def test_a_whole_page_of_links_is_kept(traced: Tracing, sink: Sink) -> None:
    links = [traced.new_trace() for _ in range(1_000)]
    span = traced.batch_span("send order.placed", links)
    assert span is not None
    span.end()
    assert len(arrived(traced, sink)["send order.placed"].links) == 1_000


def test_no_batch_span_when_none_is_sampled(traced: Tracing, started: list[str]) -> None:
    assert traced.batch_span("send order.placed", [UNSAMPLED, None] * 500) is None
    assert started == []


@pytest.mark.parametrize("ratio", [0.0, 0.001])
def test_a_batch_with_a_sampled_creation_is_recorded_whatever_the_ratio(sink: Sink, ratio: float) -> None:
    low = configure("orders", sink.endpoint, ratio, "1")
    for number in range(20):
        span = low.batch_span(f"send topic-{number}", [SAMPLED])
        assert span is not None
        span.end()
    assert len(arrived(low, sink)) == 20


def test_a_request_is_its_callers_child(traced: Tracing, sink: Sink) -> None:
    span = traced.server_span("GET", "/orders/{order_id}", SAMPLED, {tracing.URL_PATH: "/orders/1"})
    assert same_trace(span.traceparent, SAMPLED)
    span.respond(404)
    broken = traced.server_span("BREW", "/pot", "nonsense")
    assert not same_trace(broken.traceparent, SAMPLED)
    broken.respond(503)

    spans = arrived(traced, sink)
    seen, failed = spans["GET /orders/{order_id}"], spans["HTTP /pot"]
    assert (seen.kind, seen.parent_id, seen.error) == ("SERVER", SAMPLED[36:52], False)
    assert seen.attributes == {
        "http.request.method": "GET",
        "http.route": "/orders/{order_id}",
        "url.path": "/orders/1",
        "http.response.status_code": 404,
    }
    assert (failed.parent_id, failed.error) == (None, True)
    assert failed.attributes["http.request.method"] == "_OTHER"
    assert failed.attributes["error.type"] == "503"


def test_an_unsampled_caller_is_obeyed_and_passed_on(traced: Tracing, started: list[str]) -> None:
    span = traced.server_span("GET", "/orders", UNSAMPLED)
    span.respond(200)
    assert span.traceparent == UNSAMPLED
    assert traced.internal_span("purge", trace=UNSAMPLED).traceparent == UNSAMPLED
    assert started == []


def test_a_job_follows_a_trace_or_links_to_one(traced: Tracing, sink: Sink) -> None:
    traced.internal_span("inside", trace=SAMPLED).end()
    traced.internal_span("deadline saga", link=SAMPLED).end()
    unrecorded = traced.internal_span("deadline unsampled", link=UNSAMPLED)
    unrecorded.end()
    assert not unrecorded.recorded
    assert not is_sampled(unrecorded.traceparent)
    assert parse_traceparent(unrecorded.traceparent) is not None

    spans = arrived(traced, sink)
    assert set(spans) == {"inside", "deadline saga"}
    assert spans["inside"].trace_id == SAMPLED[3:35]
    assert spans["inside"].parent_id == SAMPLED[36:52]
    assert spans["deadline saga"].trace_id != SAMPLED[3:35]
    assert spans["deadline saga"].links == ((SAMPLED[3:35], SAMPLED[36:52]),)


# --- Sampling --------------------------------------------------------------------------------------------


def test_the_flag_follows_from_the_trace_id_as_in_the_sdk(sink: Sink, started: list[str]) -> None:
    some = configure("orders", sink.endpoint, 0.25, "1")
    rule = TraceIdRatioBased(0.25)

    def by_the_rule(traceparent: str) -> bool:
        return rule.should_sample(None, int(traceparent[3:35], 16), "").decision is Decision.RECORD_AND_SAMPLE

    traces = [some.new_trace() for _ in range(2_000)]
    assert all(is_sampled(trace) is by_the_rule(trace) for trace in traces)
    assert len(set(traces)) == 2_000
    assert 350 < sum(map(is_sampled, traces)) < 650  # expected 500, standard deviation 19
    assert started == []

    roots = [some.start_root("place order") for _ in range(2_000)]
    assert all(
        is_sampled(root.traceparent) is by_the_rule(root.traceparent) is root.recorded for root in roots
    )
    assert 350 < len(started) == sum(root.recorded for root in roots) < 650
    some.shutdown(5)


@pytest.mark.parametrize(("ratio", "sampled"), [(0.0, 0), (1.0, 200)])
def test_the_ends_of_the_ratio(sink: Sink, ratio: float, sampled: int) -> None:
    some = configure("orders", sink.endpoint, ratio, "1")
    assert sum(is_sampled(some.new_trace()) for _ in range(200)) == sampled
    assert sum(some.start_root("place order").recorded for _ in range(200)) == sampled
    some.shutdown(5)


def test_a_seeded_random_module_does_not_repeat_ids() -> None:
    import random

    quiet = configure("orders", None, 1.0, "1")
    random.seed(1)
    first = quiet.new_trace()
    random.seed(1)
    assert quiet.new_trace() != first


@pytest.mark.parametrize("ratio", [-0.1, 1.1, float("nan")])
def test_a_ratio_out_of_range_is_refused(ratio: float) -> None:
    with pytest.raises(ValueError, match="sample_ratio"):
        configure("orders", None, ratio, "1")


@pytest.mark.parametrize("endpoint", ["collector:4318", "", "grpc://collector:4317"])
def test_an_endpoint_that_is_no_address_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        configure("orders", endpoint, 1.0, "1")


def test_the_full_address_is_taken_as_it_is(sink: Sink) -> None:
    full = configure("orders", sink.endpoint + "/v1/traces", 1.0, "1")
    full.internal_span("purge").end()
    assert set(arrived(full, sink)) == {"purge"}


# --- Without a collector, and with a bad one -------------------------------------------------------------


def test_without_an_endpoint_there_is_nothing_but_ids(
    monkeypatch: pytest.MonkeyPatch, started: list[str]
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("no provider without an endpoint")

    monkeypatch.setattr(TracerProvider, "__init__", never)
    threads = threading.active_count()
    off = configure("orders", None, 1.0, "1")
    assert not off.enabled
    spans: list[Span] = [
        off.start_root("place order", link=SAMPLED),
        off.internal_span("purge"),
        off.internal_span("deadline", link=SAMPLED),
        off.server_span("GET", "/orders", None),
    ]
    for text in [off.new_trace(), *(span.traceparent for span in spans)]:
        parent = parse_traceparent(text)
        assert parent is not None
        assert not parent.sampled
    assert off.process_span("order.placed", SAMPLED) is None
    assert off.batch_span("send order.placed", [SAMPLED]) is None
    assert off.server_span("GET", "/orders", SAMPLED).traceparent == SAMPLED
    for span in spans:
        span.set("a", 1)
        span.end(error=ValueError())
    assert off.shutdown(0)
    assert started == []
    assert threading.active_count() == threads


def test_an_sdk_switched_off_by_its_operator_is_like_no_endpoint(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    off = configure("orders", sink.endpoint, 1.0, "1")
    assert not off.enabled
    assert parse_traceparent(off.start_root("place order").traceparent) is not None
    assert off.process_span("order.placed", SAMPLED) is None


def test_cost_one_sdk_span_per_sampled_message_and_none_else(traced: Tracing, started: list[str]) -> None:
    messages = [SAMPLED if number % 50 == 0 else UNSAMPLED for number in range(500)]
    spans = [traced.process_span("order.placed", traceparent) for traceparent in messages]
    assert len(started) == 10
    assert sum(span is not None for span in spans) == 10


def test_a_hanging_collector_costs_spans_not_time(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_QUEUE", 100)
    monkeypatch.setattr(tracing, "_BATCH", 10)
    monkeypatch.setattr(tracing, "_EXPORT_TIMEOUT", 60.0)
    lost: list[int] = []
    sink.gate.clear()
    slow = configure("orders", sink.endpoint, 1.0, "1", on_lost=lost.append)
    for _ in range(1_000):
        slow.internal_span("purge").end()
    # 100 fit the queue and at most one batch is on its way; all others are dropped, and counted.
    assert 1_000 - 100 - 10 <= sum(lost) <= 1_000 - 100
    before = time.monotonic()
    assert slow.shutdown(0.2) is False
    assert time.monotonic() - before < 5
    assert sum(lost) in (990, 1_000)
    assert slow.shutdown(0) is False


def test_spans_a_collector_refuses_are_counted(sink: Sink) -> None:
    lost: list[int] = []
    sink.status = 400
    refused = configure("orders", sink.endpoint, 1.0, "1", on_lost=lost.append)
    for _ in range(3):
        refused.internal_span("purge").end()
    refused.shutdown(10)
    assert sum(lost) == 3
    assert sink.requests == 1


def test_nothing_is_lost_when_all_is_well(sink: Sink) -> None:
    lost: list[int] = []
    fine = configure("orders", sink.endpoint, 1.0, "1", on_lost=lost.append)
    for _ in range(2_000):
        fine.internal_span("purge").end()
    assert fine.shutdown(20)
    assert len(sink.spans) == 2_000
    assert lost == []


def test_spans_arrive_without_shutdown(traced: Tracing, sink: Sink) -> None:
    traced.internal_span("purge").end()
    assert sink.wait_for(lambda spans: len(spans) == 1, timeout=10)[0].name == "purge"


def test_the_sink_says_what_came_when_it_waits_in_vain(traced: Tracing, sink: Sink) -> None:
    traced.internal_span("purge").end()
    traced.shutdown(5)
    with pytest.raises(AssertionError, match="inventory: purge"):
        sink.wait_for(lambda spans: len(spans) == 2, timeout=0.1)


# --- Names -----------------------------------------------------------------------------------------------


def test_names_are_those_of_the_conventions() -> None:
    known: set[str] = set()
    for module in (
        messaging_attributes,
        http_attributes,
        url_attributes,
        error_attributes,
        service_attributes,
    ):
        lines = vars(module)
        known |= {value for name, value in lines.items() if name.isupper() and isinstance(value, str)}
    # Still in the package for readers of old data.
    deprecated = {
        messaging_attributes.MESSAGING_OPERATION,
        messaging_attributes.MESSAGING_KAFKA_CONSUMER_GROUP,
        messaging_attributes.MESSAGING_KAFKA_DESTINATION_PARTITION,
        messaging_attributes.MESSAGING_KAFKA_MESSAGE_OFFSET,
        messaging_attributes.MESSAGING_DESTINATION_PUBLISH_NAME,
    }
    ours = {
        value
        for name, value in vars(tracing).items()
        if name.isupper() and not name.startswith("_") and isinstance(value, str) and name != "SCHEMA_URL"
    }
    assert len(ours) > 20
    assert {name for name in ours if not name.startswith("oms.")} <= known - deprecated
    assert Schemas.V1_44_0.value == tracing.SCHEMA_URL
