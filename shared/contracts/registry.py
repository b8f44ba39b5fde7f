"""Which model reads which message: CloudEvents type -> model. Refuses duplicates when imported."""

from collections.abc import Iterable

from shared.contracts import (
    carriers,
    channels,
    fulfillment,
    inventory,
    notifications,
    orders,
    payments,
    returns,
    warehouses,
)
from shared.contracts.envelope import Event

PRODUCERS = {
    "channels": channels,
    "carriers": carriers,
    "warehouses": warehouses,
    "payments": payments,
    "orders": orders,
    "inventory": inventory,
    "fulfillment": fulfillment,
    "returns": returns,
    "notifications": notifications,
}
"""Producer -> the module with its contracts; the first four are other systems."""


def _events(module: object) -> Iterable[type[Event]]:
    for value in vars(module).values():
        is_event = isinstance(value, type) and issubclass(value, Event) and "topic" in vars(value)
        if is_event and value.__module__ == getattr(module, "__name__", None):
            yield value


def _collect() -> tuple[dict[str, type[Event]], dict[str, str]]:
    models: dict[str, type[Event]] = {}
    owners: dict[str, str] = {}
    for producer, module in PRODUCERS.items():
        for model in _events(module):
            if model.ce_type() in models:
                raise ValueError(f"two contracts claim {model.ce_type()}")
            models[model.ce_type()] = model
            owners[model.topic] = producer
    return models, owners


MODELS, OWNERS = _collect()
"""CloudEvents type -> model; topic -> producer."""
