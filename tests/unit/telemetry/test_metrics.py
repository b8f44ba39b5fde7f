"""What a scrape shows, under which names, and that no label is an id."""

import re
from collections.abc import Mapping

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as open_parser
from prometheus_client.parser import text_string_to_metric_families as plain_families

from shared.telemetry import metrics as module
from shared.telemetry.metrics import Metrics, observe

# As Prometheus 2.42 and 3 ask.
ACCEPT = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = SAMPLED[:-1] + "0"

# The catalogue of the operations notes: name as exported, labels.
CATALOGUE: Mapping[str, tuple[str, ...]] = {
    "oms_message_process_seconds": ("topic", "handler", "outcome"),
    "oms_messages_handled_total": ("handler", "outcome"),
    "oms_message_retries_total": ("class",),
    "oms_inbox_duplicates_total": (),
    "oms_messages_parked_total": ("topic", "reason"),
    "oms_consumer_breaker_open": ("handler",),
    "oms_dead_letters": ("topic",),
    "oms_dead_letter_oldest_seconds": (),
    "oms_consumer_lag_records": ("group", "topic"),
    "oms_consumer_lag_seconds": ("group", "topic"),
    "oms_consumer_assigned_partitions": ("group",),
    "oms_consumer_rebalances_total": ("group",),
    "oms_consumer_rebalance_seconds": ("group",),
    "oms_partition_progress_age_seconds": ("topic", "partition"),
    "oms_message_end_to_end_seconds": ("topic",),
    "oms_outbox_rows": (),
    "oms_outbox_oldest_seconds": (),
    "oms_outbox_publish_seconds": (),
    "oms_outbox_leader": ("shard",),
    "oms_outbox_publish_errors_total": (),
    "oms_saga_started_total": (),
    "oms_saga_finished_total": ("outcome",),
    "oms_saga_active": ("state",),
    "oms_saga_state_age_seconds": ("state", "stat"),
    "oms_saga_duration_seconds": ("outcome",),
    "oms_saga_deadlines_passed_total": ("waited_for",),
    "oms_saga_deadline_overdue": (),
    "oms_saga_compensations_total": ("step",),
    "oms_saga_unexpected_event_total": ("state", "event"),
    "oms_build_info": ("version", "schema"),
    "oms_contract_unknown_type_total": ("topic",),
    "oms_telemetry_spans_lost_total": (),
}


def open_families(text: str) -> list[Metric]:
    return list(open_parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


def declared(metrics: Metrics) -> list[Counter | Gauge | Histogram]:
    return [value for value in vars(metrics).values() if isinstance(value, Counter | Gauge | Histogram)]


def touched(metrics: Metrics) -> Metrics:
    """Every metric with one series, so that each is shown."""
    for metric in declared(metrics):
        child = (
            metric.labels(*(f"a-{label}" for label in metric._labelnames)) if metric._labelnames else metric
        )
        if isinstance(child, Histogram):
            child.observe(0.2)
        else:
            child.inc()
    return metrics


def test_every_name_of_the_catalogue_is_shown_with_its_labels() -> None:
    text = touched(Metrics("orders")).render(ACCEPT)[0].decode()
    shown: dict[str, set[str]] = {}
    for family in open_families(text):
        for sample in family.samples:
            if sample.name.startswith("oms_"):
                name = (
                    re.sub("_(bucket|sum|count)$", "", sample.name)
                    if family.type == "histogram"
                    else sample.name
                )
                shown.setdefault(name, set()).update(sample.labels)
    expected = {
        name: {*labels, "service"} | ({"le"} if name in _histograms() else set())
        for name, labels in CATALOGUE.items()
    }
    assert shown == expected


def _histograms() -> set[str]:
    return {metric._name for metric in declared(Metrics("x")) if isinstance(metric, Histogram)}


def test_a_scrape_in_either_format_parses_and_names_the_service_everywhere() -> None:
    metrics = touched(Metrics("orders"))
    text, content_type = metrics.render(None)
    assert content_type.startswith("text/plain")
    plain = [sample for family in plain_families(text.decode()) for sample in family.samples]
    text, content_type = metrics.render(ACCEPT)
    assert content_type.startswith("application/openmetrics-text")
    assert text.endswith(b"# EOF\n")
    opened = [sample for family in open_families(text.decode()) for sample in family.samples]
    for samples in (plain, opened):
        assert {sample.labels.get("service") for sample in samples} == {"orders"}
        assert not [sample.name for sample in samples if sample.name.endswith("_created")]
    assert any(sample.name.startswith("process_") for sample in plain)
    assert any(sample.name.startswith("python_gc_") for sample in plain)


def test_rendering_twice_shows_the_same_series() -> None:
    metrics = touched(Metrics("orders"))
    first = [
        line.rpartition(b" ")[0] for line in metrics.render(None)[0].splitlines() if line.startswith(b"oms_")
    ]
    second = [
        line.rpartition(b" ")[0] for line in metrics.render(None)[0].splitlines() if line.startswith(b"oms_")
    ]
    assert first == second
    assert len(first) == len(set(first))


def test_cost_series_of_a_fresh_service() -> None:
    """A metric without labels is always there; the rest appears with use. Ten histogram series per series of
    labels are what a dashboard pays for, so growth of the fixed part is a decision."""
    lines = [line for line in Metrics("orders").render(None)[0].splitlines() if line.startswith(b"oms_")]
    assert len(lines) <= 30


def test_exemplars_lead_from_a_slow_bucket_to_a_trace() -> None:
    metrics = Metrics("orders")
    child = metrics.message_process_seconds.labels("order.placed", "order_placed", "handled")
    observe(child, 0.02, SAMPLED)
    observe(child, 0.3, UNSAMPLED)
    observe(child, 3, "nonsense")
    observe(child, 3)
    text = metrics.render(ACCEPT)[0].decode()
    exemplars = [
        (sample.labels["le"], sample.exemplar.labels, sample.exemplar.value)
        for family in open_families(text)
        for sample in family.samples
        if sample.exemplar
    ]
    assert exemplars == [("0.025", {"trace_id": SAMPLED[3:35], "span_id": SAMPLED[36:52]}, 0.02)]
    assert (
        metrics.registry.get_sample_value(
            "oms_message_process_seconds_count",
            {"topic": "order.placed", "handler": "order_placed", "outcome": "handled"},
        )
        == 4
    )
    assert b"trace_id" not in metrics.render(None)[0]


def test_a_name_declared_again_is_the_same_metric() -> None:
    metrics = Metrics("orders")
    first = metrics.counter("orders_accepted_total", "Orders accepted", ("channel",))
    assert metrics.counter("oms_orders_accepted", "Orders accepted", ["channel"]) is first
    assert metrics.gauge("oversell_units", "Must be 0") is metrics.gauge("oms_oversell_units", "Must be 0")
    assert metrics.histogram("pick_seconds", "Pick") is metrics.histogram("pick_seconds", "Pick")
    first.labels("shop").inc(2)
    assert metrics.registry.get_sample_value("oms_orders_accepted_total", {"channel": "shop"}) == 2


def test_a_name_declared_differently_is_refused() -> None:
    metrics = Metrics("orders")
    metrics.counter("orders_accepted_total", "Orders accepted", ("channel",))
    with pytest.raises(ValueError, match="twice"):
        metrics.counter("orders_accepted_total", "Orders accepted")
    with pytest.raises(ValueError, match="twice"):
        metrics.gauge("orders_accepted", "Orders accepted", ("channel",))
    metrics.histogram("pick_seconds", "Pick")
    with pytest.raises(ValueError, match="twice"):
        metrics.histogram("pick_seconds", "Pick", buckets=(1.0, 2.0))


@pytest.mark.parametrize("label", ["order_id", "id", "message_id", "email", "traceparent", "key"])
def test_ids_and_persons_are_no_labels(label: str) -> None:
    with pytest.raises(ValueError, match=label):
        Metrics("orders").counter("orders_seen_total", "Orders", (label,))


def test_two_services_share_nothing() -> None:
    one, other = Metrics("orders"), Metrics("inventory")
    one.saga_started.inc()
    assert other.registry.get_sample_value("oms_saga_started_total") == 0
    registry = CollectorRegistry()
    assert Metrics("orders", registry).registry is registry


def test_buckets_rise_and_know_the_promised_limits() -> None:
    for buckets in (module.FAST, module.SLOW, module.LONG):
        assert list(buckets) == sorted(set(buckets))
    assert {30.0, 60.0} <= set(module.SLOW)
    assert 0.5 in module.FAST
    assert 60.0 in module.LONG
