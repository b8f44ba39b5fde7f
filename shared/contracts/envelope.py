"""The base of every contract and the field types they share."""

from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

MAX_LINES = 1_000
"""Lines an order may have."""
MAX_ALLOCATIONS = 1_100
"""(line, place) pairs a reservation may have, so that the largest order.confirmed stays under 1 MiB."""
MAX_PLACES = 25
"""Places (and so parcels) a reservation may have, for the same reason: their addresses travel with it."""
MAX_BODY_BYTES = 1_048_576
"""Largest message body; brokers accept 2 MiB, which leaves room for headers and batch framing."""

# Control characters are refused: PostgreSQL cannot store NUL, and mails and labels must not carry the others.
_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"

Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[!#-\[\]-~]+$")]
"""Our ids and other systems' technical ids: visible ASCII without blanks, quotes and backslashes."""
ExternalId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[!-~](?:[ -~]*[!-~])?$")]
"""An order's id in its channel: visible ASCII, blanks inside allowed."""
LineId = Annotated[
    str, Field(min_length=1, max_length=40, pattern=r"^[!#-\[\]-~](?:[ !#-\[\]-~]*[!#-\[\]-~])?$")
]
"""An order line's id in its channel: visible ASCII without quotes and backslashes, blanks inside allowed."""


def as_text(value: object) -> str:
    """What was sent, as far as a `Text` can repeat it; nothing of lists, objects and numbers that go on for ever."""
    endless = isinstance(value, int) and abs(value) >= 10**200
    if endless or not isinstance(value, str | int | float):
        return ""
    return printable(str(value))[:200]


def printable(text: str) -> str:
    """A text without what cannot be kept or printed: NUL, other control characters, halves of a character."""
    return text if text.isprintable() else "".join(letter for letter in text if letter.isprintable())


def _short_in_json(text: str) -> str:
    if len(text) + text.count('"') + text.count("\\") > 64:
        raise ValueError("must have at most 64 characters, where quotes and backslashes count twice")
    return text


Sku = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        pattern=r"^[!-~](?:[ -~]*[!-~])?$",
        description="visible ASCII, blanks inside allowed; quotes and backslashes count twice",
    ),
    AfterValidator(_short_in_json),
]
"""What is sold. Its length is that in JSON, because thousands of them must fit into one message."""
Text = Annotated[str, Field(max_length=200, pattern=_PRINTABLE)]
ShortText = Annotated[str, Field(max_length=60, pattern=_PRINTABLE)]
Code = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2 code")]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code")]
Locale = Annotated[str, Field(pattern=r"^[a-z]{2,3}(?:[-_][A-Z]{2})?$", description="e.g. en, pt_BR")]
Money = Annotated[int, Field(ge=0, le=10**12, strict=True, description="minor units")]
Quantity = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
Count = Annotated[int, Field(ge=0, le=10**12, strict=True)]
# In every time zone between the years 1 and 9999: nothing else can be stored, or read again.
Time = Annotated[
    AwareDatetime, Field(ge=datetime(1, 1, 2, tzinfo=UTC), le=datetime(9999, 12, 30, tzinfo=UTC))
]


class Record(BaseModel):
    """A value inside a message: immutable, unknown fields ignored when read."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_timedelta="iso8601")


class Event(Record):
    """A message on a topic.

    `topic` is its topic and, with `version`, its CloudEvents type. `key()` decides the partition, so
    everything whose order matters shares a key. `subject()` is what people search for.
    """

    topic: ClassVar[str]
    version: ClassVar[int] = 1

    @classmethod
    def ce_type(cls) -> str:
        """The CloudEvents type with its version, e.g. `order.placed.v1`."""
        return f"{cls.topic}.v{cls.version}"

    def key(self) -> str:
        """The Kafka key of this message."""
        raise NotImplementedError

    def subject(self) -> str:
        """The CloudEvents subject: the order id where there is one, else the key."""
        return self.key()


class OrderEvent(Event):
    """An event of one order, keyed by it, so that an order's messages keep their order within a topic."""

    order_id: Id

    def key(self) -> str:
        """The order id."""
        return self.order_id


class ChannelOrderEvent(Event):
    """An event keyed by an order's name in its channel, for who does not know our id yet."""

    channel: Code
    external_id: ExternalId

    def key(self) -> str:
        """`channel:external_id`."""
        return f"{self.channel}:{self.external_id}"


class FieldError(Record):
    """One faulty field of something refused: where, what is wrong, and what would be right."""

    field: Annotated[str, Field(max_length=200)]
    problem: Annotated[str, Field(max_length=400)]
    remedy: Annotated[str, Field(max_length=400)] = ""


class Address(Record):
    """Where goods go or come from; only the country is required."""

    name: Text | None = None
    street: Text | None = None
    street2: Text | None = None
    city: Text | None = None
    region: Text | None = None
    postal_code: ShortText | None = None
    country: Country
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None


class Contact(Record):
    """Whom to tell, and in which language."""

    name: Text | None = None
    email: (
        Annotated[str, Field(max_length=254, pattern=r"^[^\s@<>\x00-\x1f]+@[^\s@<>\x00-\x1f]+$")] | None
    ) = None
    phone: ShortText | None = None
    locale: Locale = "en"


class Size(Record):
    """Outer size of one unit in millimetres."""

    length_mm: Annotated[int, Field(ge=0, le=100_000)]
    width_mm: Annotated[int, Field(ge=0, le=100_000)]
    height_mm: Annotated[int, Field(ge=0, le=100_000)]


__all__ = [
    "MAX_ALLOCATIONS",
    "MAX_BODY_BYTES",
    "MAX_LINES",
    "MAX_PLACES",
    "Address",
    "ChannelOrderEvent",
    "Code",
    "Contact",
    "Count",
    "Country",
    "Currency",
    "Event",
    "ExternalId",
    "FieldError",
    "Id",
    "LineId",
    "Locale",
    "Money",
    "OrderEvent",
    "Quantity",
    "Record",
    "ShortText",
    "Size",
    "Sku",
    "Text",
    "Time",
]
