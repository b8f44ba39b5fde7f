"""Whom to tell about an order, and what is needed to speak about it in words that person knows."""

from collections.abc import Mapping
from dataclasses import field

from shared.value_object import value_object


@value_object
class Contact:
    """The person behind an order; not `known` until the order itself was heard of.

    `titles` are the customer's words for the order's lines, by line id, where the channel sent any.
    `traceparent` is the order's one trace, kept from the first message heard about it.
    """

    order_id: str
    traceparent: str
    known: bool = False
    email: str | None = None
    name: str | None = None
    locale: str = "en"
    channel: str = ""
    external_id: str = ""
    titles: Mapping[str, str] = field(default_factory=dict)
    version: int = 1
