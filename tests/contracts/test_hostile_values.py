"""Values that would harm whoever keeps them or tells of them."""

import json
from dataclasses import replace
from importlib import import_module

import pytest

from shared.contracts.envelope import as_text
from shared.contracts.fulfillment import ShipmentDispatched
from shared.messaging.decode import Decoder, Readable
from tests.contracts.golden_messages import golden, record


def test_what_cannot_be_told_is_left_out() -> None:
    deep: object = "end"
    for _ in range(5_000):
        deep = {"a": deep}
    assert as_text(deep) == as_text([deep]) == as_text(None) == ""
    assert as_text("a\x00b\u202e" + "c" * 500) == "ab" + "c" * 198
    assert [as_text(value) for value in (7, 1.5, True, 10**9_000)] == ["7", "1.5", "True", ""]


@pytest.mark.parametrize("letter", ["\x00", "\n", "\x7f"])
def test_a_tracking_url_is_read_without_control_characters(letter: str) -> None:
    """PostgreSQL cannot keep a NUL, and a link in a mail must not begin another line."""
    body = golden("shipment.dispatched.v1")
    read = ShipmentDispatched.model_validate_json(
        json.dumps(body | {"tracking_url": f"https://a.example/{letter}1"})
    )
    assert read.tracking_url == "https://a.example/1"


def test_a_traceparent_that_is_no_text_begins_a_trace_of_its_own() -> None:
    """Services keep it in their tables, which take no NUL."""
    decoder = Decoder(import_module("services.inventory.handlers").ROUTES)
    sent = record("order.placed.v1", json.dumps(golden("order.placed.v1")).encode())
    for rubbish in (b"\x00\xff\xfe", "00-\u0660".encode()):
        read = decoder.decode(replace(sent, headers=[*sent.headers, ("traceparent", rubbish)]))
        assert isinstance(read, Readable) and read.trace is None
    good = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    read = decoder.decode(replace(sent, headers=[*sent.headers, ("traceparent", good)]))
    assert isinstance(read, Readable) and read.trace == good.decode()
