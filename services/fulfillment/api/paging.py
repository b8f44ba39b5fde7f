"""Where a page ends, as text that clients carry to the next request and need not understand."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime

from fastapi.exceptions import RequestValidationError

from services.fulfillment.store.shipments import Position


def encode_position(at: datetime, shipment_id: str) -> str:
    """The token after this parcel."""
    return urlsafe_b64encode(f"{at.isoformat()} {shipment_id}".encode()).decode().rstrip("=")


def decode_position(token: str | None) -> Position | None:
    """The position of a token; a token that we did not make is a faulty field (422)."""
    if token is None:
        return None
    try:
        text = urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
        moment, _, shipment_id = text.partition(" ")
        at = datetime.fromisoformat(moment)
        if at.tzinfo is None or not 2000 <= at.year <= 9000 or not shipment_id.isprintable():
            raise ValueError(token)
    except ValueError:
        fault = {"loc": ("query", "after"), "msg": "is not a token of this list", "type": "value_error"}
        raise RequestValidationError([fault]) from None
    return at, shipment_id
