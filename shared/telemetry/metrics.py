"""Metrics: what every service measures is declared here, once, under the names that rules and dashboards use.

All names start with `oms_`, durations are seconds, counts end in `_total`, and no label is ever an id: a
label value is a row in every later query. Each series carries `service`, added when it is rendered.
Histograms take exemplars, so that a slow bucket leads to a trace.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from shared.telemetry.tracing import is_sampled, parse_traceparent

PREFIX = "oms_"

FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Buckets of work that takes milliseconds: a handler, a request, a batch on its way to the broker."""
SLOW = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0)
"""Buckets of waiting: end to end, rebalances. 30 and 60 are limits of promises."""
LONG = (
    0.1,
    0.5,
    1.0,
    5.0,
    15.0,
    60.0,
    300.0,
    1_800.0,
    3_600.0,
    21_600.0,
    86_400.0,
    259_200.0,
    604_800.0,
    2_592_000.0,
)
"""Buckets of an order's life: from a tenth of a second to a month."""

# Beside everything that ends in `_id`.
_UNFIT_LABELS = frozenset(
    {"id", "key", "offset", "email", "phone", "name", "address", "customer", "traceparent", "tracking_number"}
)
_MetricT = TypeVar("_MetricT", Counter, Gauge, Histogram)


class Metrics:
    """The metrics of one service.

    Declaring a name again gives the metric there is; declaring it differently is a mistake and raises.
    Keep the child that `labels` gives where a message passes: finding it costs more than counting.
    """

    def __init__(self, service: str, registry: CollectorRegistry | None = None) -> None:
        self.service = service
        self.registry = registry if registry is not None else CollectorRegistry()
        self._declared: dict[str, tuple[object, object]] = {}

        # --- Handlers: rate, errors, duration ---

        # One transaction of a handler, whatever number of messages shares it; outcome: handled, failed.
        self.message_process_seconds = self.histogram(
            "message_process_seconds", "Time to process a batch", ("topic", "handler", "outcome")
        )
        # Messages that had their effect, and those of attempts that failed (tried again, or parked).
        self.messages_handled = self.counter(
            "messages_handled_total", "Messages settled", ("handler", "outcome")
        )
        # Transactions tried again, by class of the error (deadlock, connection, ...).
        self.message_retries = self.counter(
            "message_retries_total", "Attempts repeated after an error", ("class",)
        )
        # Messages that came again and had no second effect.
        self.inbox_duplicates = self.counter("inbox_duplicates_total", "Messages the inbox had already seen")
        # Messages put aside; reason: unreadable, unknown_type, unknown_order, handler_error.
        self.messages_parked = self.counter("messages_parked_total", "Messages parked", ("topic", "reason"))
        # 1 while handler errors in a row have stopped a handler: the deploy is bad, not the message.
        self.breaker_open = self.gauge(
            "consumer_breaker_open", "Whether a handler's breaker is open", ("handler",)
        )

        # --- Dead letters: what waits for a person ---

        # Dead letters neither replayed nor discarded.
        self.dead_letters = self.gauge("dead_letters", "Messages parked and not dealt with", ("topic",))
        # Age of the oldest of them; 0 when there is none.
        self.dead_letter_oldest_seconds = self.gauge(
            "dead_letter_oldest_seconds", "Age of the oldest dead letter"
        )

        # --- Transport: is everything read that was written? ---

        # Records written and not yet committed by the group.
        self.consumer_lag_records = self.gauge("consumer_lag_records", "Unread records", ("group", "topic"))
        # Age of the oldest record not yet read: what people feel, unlike a number of records.
        self.consumer_lag_seconds = self.gauge(
            "consumer_lag_seconds", "Age of the oldest unread record", ("group", "topic")
        )
        # Partitions this process reads; 0 for long means nobody gives it work.
        self.consumer_assigned_partitions = self.gauge(
            "consumer_assigned_partitions", "Partitions assigned to this process", ("group",)
        )
        # Each of them stops the whole group for a moment.
        self.consumer_rebalances = self.counter(
            "consumer_rebalances_total", "Rebalances of the group", ("group",)
        )
        # From revoking to the new assignment.
        self.consumer_rebalance_seconds = self.histogram(
            "consumer_rebalance_seconds", "Time without an assignment", ("group",), SLOW
        )
        # Time since a partition moved while it had something to read: one stuck partition hides in a sum.
        self.partition_progress_age_seconds = self.gauge(
            "partition_progress_age_seconds", "Time since a partition last advanced", ("topic", "partition")
        )
        # From the message's creation to the end of its handling, outbox and broker included.
        self.message_end_to_end_seconds = self.histogram(
            "message_end_to_end_seconds", "Age of a message when handled", ("topic",), SLOW
        )

        # --- Outbox: is everything sent that was promised? ---

        # Rows committed and not yet acknowledged by the broker.
        self.outbox_rows = self.gauge("outbox_rows", "Messages waiting in the outbox")
        # Age of the oldest of them; 0 when empty.
        self.outbox_oldest_seconds = self.gauge("outbox_oldest_seconds", "Age of the oldest outbox row")
        # One page of batches, from send to the last acknowledgement.
        self.outbox_publish_seconds = self.histogram("outbox_publish_seconds", "Time to publish a page")
        # 1 where this process leads a shard; the sum over all processes must be 1 for each shard.
        self.outbox_leader = self.gauge("outbox_leader", "Whether this process relays the shard", ("shard",))
        # Pages that were not acknowledged and are sent again.
        self.outbox_publish_errors = self.counter(
            "outbox_publish_errors_total", "Pages that failed to publish"
        )

        # --- Saga: does every order end? ---

        # Orders captured.
        self.saga_started = self.counter("saga_started_total", "Sagas started")
        # Orders ended; outcome: completed, or why it was cancelled (out_of_stock, payment_deadline, ...).
        self.saga_finished = self.counter("saga_finished_total", "Sagas finished", ("outcome",))
        # Orders under way, by the state people see.
        self.saga_active = self.gauge("saga_active", "Sagas not finished", ("state",))
        # How long orders under way have stood as they are, nothing heard and nothing done; stat: max, p95.
        self.saga_state_age_seconds = self.gauge(
            "saga_state_age_seconds", "Time since orders under way changed", ("state", "stat")
        )
        # From capture to end.
        self.saga_duration_seconds = self.histogram(
            "saga_duration_seconds", "Time from start to end of a saga", ("outcome",), LONG
        )
        # Deadlines that passed unanswered, by what was waited for (stock, payment, delivery, ...).
        self.saga_deadlines_passed = self.counter(
            "saga_deadlines_passed_total", "Deadlines passed", ("waited_for",)
        )
        # Orders past a deadline that was not looked at: nobody does, or answers wait unread.
        self.saga_deadline_overdue = self.gauge("saga_deadline_overdue", "Sagas past their deadline")
        # Steps that take something back: release, refund, void, recall.
        self.saga_compensations = self.counter("saga_compensations_total", "Compensating steps", ("step",))
        # Facts that contradict what is known; each of them flags its order.
        self.saga_unexpected_event = self.counter(
            "saga_unexpected_event_total", "Facts that contradict others", ("state", "event")
        )

        # --- Build and contracts: do versions fit? ---

        # Always 1; its labels say what runs.
        self.build_info = self.gauge("build_info", "What runs here", ("version", "schema"))
        # Messages of a type or version nobody here knows.
        self.contract_unknown_type = self.counter(
            "contract_unknown_type_total", "Messages of an unknown type", ("topic",)
        )

        # --- Telemetry itself ---

        # Spans recorded that never reached the collector (`tracing.configure(on_lost=...)`).
        self.telemetry_spans_lost = self.counter("telemetry_spans_lost_total", "Spans dropped")

        # Memory, CPU, file descriptors and garbage collection, under the names every dashboard knows.
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def counter(self, name: str, help: str, labels: Sequence[str] = ()) -> Counter:
        """The counter of this name; `oms_` and `_total` are added where missing."""
        return self._declare(Counter, name.removesuffix("_total"), help, labels)

    def gauge(self, name: str, help: str, labels: Sequence[str] = ()) -> Gauge:
        """The gauge of this name; `oms_` is added where missing."""
        return self._declare(Gauge, name, help, labels)

    def histogram(
        self, name: str, help: str, labels: Sequence[str] = (), buckets: Sequence[float] = FAST
    ) -> Histogram:
        """The histogram of this name; `oms_` is added where missing. Names end in `_seconds` or a unit."""
        return self._declare(Histogram, name, help, labels, buckets=tuple(buckets))

    def _declare(
        self, kind: type[_MetricT], name: str, help: str, labels: Sequence[str], **more: Any
    ) -> _MetricT:
        name = name if name.startswith(PREFIX) else PREFIX + name
        shape = (kind, tuple(labels), more)
        if name in self._declared:
            known, metric = self._declared[name]
            if known != shape:
                raise ValueError(f"metric {name} is declared twice and differently")
            return cast(_MetricT, metric)
        if unfit := [label for label in labels if label in _UNFIT_LABELS or label.endswith("_id")]:
            raise ValueError(f"metric {name}: label {unfit[0]} has too many values or is somebody's")
        metric = kind(name, help, tuple(labels), registry=self.registry, **more)
        self._declared[name] = (shape, metric)
        return metric

    def render(self, accept: str | None = None) -> tuple[bytes, str]:
        """The answer to a scrape and its content type: OpenMetrics with exemplars when asked for."""
        encode, content_type = choose_encoder(accept or "")
        return encode(_Rendered(self)), content_type


def observe(histogram: Histogram, seconds: float, traceparent: str | None = None) -> None:
    """Observes; a sampled trace becomes the bucket's exemplar (another would be a link to nowhere)."""
    parent = parse_traceparent(traceparent) if is_sampled(traceparent) else None
    if parent is None:
        histogram.observe(seconds)
    else:
        histogram.observe(seconds, {"trace_id": parent.trace_id, "span_id": parent.span_id})


class _Rendered(Collector):
    """The registry as scraped: with the service on every series and without `_created`.

    The creation times double the number of counter series and nothing here asks for them.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        service = {"service": self._metrics.service}
        for family in self._metrics.registry.collect():
            family.samples = [
                sample._replace(labels=service | sample.labels)
                for sample in family.samples
                if not sample.name.endswith("_created")
            ]
            yield family
