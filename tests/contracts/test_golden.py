"""Every message that was ever sent can be read: by its contract, and by every service that hears it."""

import json
from importlib import import_module
from typing import Any

import pytest

from shared.contracts.documents import SERVICES
from shared.contracts.envelope import Event
from shared.contracts.fulfillment import (
    ShipmentCancelled,
    ShipmentCreated,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentReturnedToSender,
)
from shared.contracts.orders import OrderConfirmed
from shared.contracts.registry import MODELS
from shared.messaging.decode import Decoder, Readable, Unreadable
from shared.messaging.message import Invalid
from tests.contracts.golden_messages import TYPES, golden, record


def hearing() -> list[tuple[str, str]]:
    """(service, type) for everything that a routing table listens to."""
    return [
        (service, model.ce_type())
        for service in SERVICES
        for route in import_module(f"services.{service}.handlers").ROUTES
        for model in route.events
    ]


def with_unknown_fields(value: Any) -> Any:
    """The same document as a newer version might send it: one more field in every object."""
    if isinstance(value, dict):
        grown = {key: with_unknown_fields(item) for key, item in value.items()}
        return grown | {"added_in_some_later_release": {"any": ["thing", 1, None]}}
    if isinstance(value, list):
        return [with_unknown_fields(item) for item in value]
    return value


def test_every_type_has_a_golden_message_and_every_golden_message_a_type() -> None:
    assert sorted(MODELS) == TYPES


@pytest.mark.parametrize("ce_type", TYPES)
def test_its_contract_reads_it_and_says_the_same(ce_type: str) -> None:
    event = MODELS[ce_type].model_validate_json(json.dumps(golden(ce_type)))
    # Byte for byte the same document: nothing in it went unread, nothing is named differently now.
    assert json.loads(event.model_dump_json(exclude_none=True)) == golden(ce_type)
    assert event.key()
    assert event.subject()


@pytest.mark.parametrize("ce_type", TYPES)
def test_unknown_fields_are_ignored(ce_type: str) -> None:
    model = MODELS[ce_type]
    grown = model.model_validate_json(json.dumps(with_unknown_fields(golden(ce_type))))
    assert grown == model.model_validate_json(json.dumps(golden(ce_type)))


@pytest.mark.parametrize("ce_type", TYPES)
def test_a_message_without_a_required_field_is_not_read(ce_type: str) -> None:
    model = MODELS[ce_type]
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    assert required
    for name in required:
        body = {key: value for key, value in golden(ce_type).items() if key != name}
        with pytest.raises(ValueError, match=name):
            model.model_validate_json(json.dumps(body))


@pytest.mark.parametrize(("service", "ce_type"), hearing())
def test_every_hearer_reads_it(service: str, ce_type: str) -> None:
    decoder = Decoder(import_module(f"services.{service}.handlers").ROUTES)
    for body in (golden(ce_type), with_unknown_fields(golden(ce_type))):
        decoded = decoder.decode(record(ce_type, json.dumps(body).encode()))
        assert isinstance(decoded, Readable), decoded
        assert not isinstance(decoded.event, Invalid)
        assert decoded.event == MODELS[ce_type].model_validate(golden(ce_type))


@pytest.mark.parametrize(("service", "ce_type"), hearing())
def test_every_hearer_names_what_it_cannot_read(service: str, ce_type: str) -> None:
    decoder = Decoder(import_module(f"services.{service}.handlers").ROUTES)
    decoded = decoder.decode(record(ce_type, b"[]"))
    assert isinstance(decoded, Unreadable)
    newer = record(ce_type.replace(".v1", ".v99"), b"{}")
    decoded = decoder.decode(newer)
    assert isinstance(decoded, Unreadable)
    assert decoded.reason == "unknown_type"


def test_the_golden_order_adds_up() -> None:
    order = OrderConfirmed.model_validate(golden("order.confirmed.v1"))
    assert sum(line.total for line in order.lines) + order.shipping == order.total
    shares = [allocation.value for allocation in order.allocations] + [
        place.shipping for place in order.places
    ]
    assert sum(shares) == order.total
    per_line = {line.line_id: line.quantity for line in order.lines}
    for allocation in order.allocations:
        per_line[allocation.line_id] -= allocation.quantity
    assert set(per_line.values()) == {0}
    parcels = {place.place_id: place.shipment_id for place in order.places}
    (cancelled,) = ShipmentCancelled.model_validate(golden("shipment.cancelled.v1")).parcels
    assert parcels[cancelled.place_id] == cancelled.shipment_id


@pytest.mark.parametrize(
    "change",
    [
        lambda places, units: places[0].update(place_id="elsewhere"),
        lambda places, units: units[0].update(place_id="elsewhere"),
        lambda places, units: places.append(dict(places[0])),
        lambda places, units: places.append({**places[0], "place_id": units[0]["place_id"] + "-2"}),
    ],
)
def test_an_order_whose_units_and_parcels_disagree_cannot_be_shipped(change: Any) -> None:
    body = golden("order.confirmed.v1")
    change(body["places"], body["allocations"])
    with pytest.raises(ValueError, match=r"twice|not those of its allocations"):
        OrderConfirmed.model_validate(body)


@pytest.mark.parametrize(
    "model", [ShipmentCreated, ShipmentDispatched, ShipmentDelivered, ShipmentReturnedToSender]
)
def test_a_parcel_of_nothing_is_no_message(model: type[Event]) -> None:
    body = golden(model.ce_type()) | {"lines": []}
    with pytest.raises(ValueError, match="is empty"):
        model.model_validate(body)
