"""What stands on a label, before it is drawn: clean lines of text, and the number for the barcode."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from babel import Locale

from services.fulfillment.domain.carrier import Consignment
from services.fulfillment.domain.shipment import Booking
from shared.value_object import value_object

_COUNTRIES = Locale("en").territories


@value_object
class Label:
    """The content of a label. `number` is an SSCC; its barcode carries it after the application identifier 00."""

    carrier: str
    sender: tuple[str, ...]
    recipient: tuple[str, ...]
    references: tuple[str, ...]
    number: str

    @property
    def readable_number(self) -> str:
        """The number as people read it under the barcode."""
        return f"(00) {self.number}"


def describe(consignment: Consignment, booking: Booking) -> Label:
    """The label of a booked parcel."""
    shipment = consignment.shipment
    weight = consignment.weight_g
    references = (
        f"Order {shipment.order_id}",
        f"Parcel {shipment.shipment_id}",
        f"From place {shipment.place_id}" + ("" if weight is None else f"   {weight / 1000:.3f} kg"),
    )
    return Label(
        carrier=clean(booking.carrier),
        sender=_address(consignment.sender),
        recipient=_address(consignment.recipient),
        references=tuple(clean(line) for line in references),
        number=booking.tracking_number,
    )


def clean(text: str) -> str:
    """Text without what is no letter: control, direction and private characters, runs of blanks."""
    normal = unicodedata.normalize("NFC", text)
    visible = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in normal)
    return " ".join(visible.split())


def _address(fields: Mapping[str, Any]) -> tuple[str, ...]:
    country = str(fields.get("country") or "")
    town = " ".join(str(fields[name]) for name in ("postal_code", "city") if fields.get(name))
    lines = (
        fields.get("name"),
        fields.get("street"),
        fields.get("street2"),
        town,
        fields.get("region"),
        _COUNTRIES.get(country, country).upper(),
        fields.get("phone"),
    )
    return tuple(line for line in (clean(str(line or "")) for line in lines) if line)
