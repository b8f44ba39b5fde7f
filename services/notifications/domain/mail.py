"""A mail, and what can become of the attempt to hand it over."""

from typing import TypeAlias

from shared.value_object import value_object


@value_object
class Rendered:
    """A template filled in: what a person reads, in `language` (of the templates, e.g. pt_BR)."""

    subject: str
    text: str
    html: str
    language: str


@value_object
class Mail:
    """Everything one mail consists of, still as plain values."""

    message_id: str
    recipient: str
    name: str | None
    content: Rendered


@value_object
class Accepted:
    """The server took the mail; from here on it is the server's."""


@value_object
class Refused:
    """The server will never take this mail, or the mail cannot be made.

    `reason` is for the operator and may quote an address; `code` (`550 5.1.1`, `unrenderable`) never does.
    """

    reason: str
    code: str


@value_object
class Deferred:
    """Not this time: it may or may not have been taken, so it is sent again under the same Message-ID."""

    reason: str


@value_object
class Unsent:
    """The mail was not tried, because its server, not the mail, was at fault; costs no attempt."""

    reason: str


Answer: TypeAlias = Accepted | Refused | Deferred | Unsent
