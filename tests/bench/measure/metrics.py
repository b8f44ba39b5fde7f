"""What services count about themselves: messages and transactions by handler, hence the batches they had."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import httpx
from prometheus_client.parser import text_string_to_metric_families

Counters = Mapping[tuple[str, str], tuple[float, float]]
"""(service, handler) -> messages handled, transactions."""


def read(addresses: Mapping[str, Sequence[str]]) -> Counters:
    """The counters of all processes, summed by service and handler."""
    found: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for service, urls in addresses.items():
        for url in urls:
            for family in text_string_to_metric_families(httpx.get(url, timeout=5).text):
                for sample in family.samples:
                    handled = sample.labels.get("outcome") == "handled"
                    if sample.name == "oms_messages_handled_total" and handled:
                        found[service, sample.labels["handler"]][0] += sample.value
                    elif sample.name == "oms_message_process_seconds_count" and handled:
                        found[service, sample.labels["handler"]][1] += sample.value
    return {key: (messages, transactions) for key, (messages, transactions) in found.items()}


def batches(before: Counters, after: Counters) -> dict[str, float]:
    """Average messages per transaction, by `service.handler`."""
    sizes = {}
    for (service, handler), (messages, transactions) in after.items():
        had = before.get((service, handler), (0.0, 0.0))
        if transactions > had[1]:
            sizes[f"{service}.{handler}"] = round((messages - had[0]) / (transactions - had[1]), 1)
    return sizes
