"""Identities: ours rise with time, derived ones are the same wherever they are computed."""

from datetime import datetime
from functools import lru_cache
from uuid import UUID, uuid5

import uuid_utils

_SHIPMENTS = UUID("6f6b9c53-5d0b-5c53-9a3e-6a4fbb4c2b10")


def new_id() -> str:
    """A UUIDv7 as text: unique, and rising with time, which keeps indexes dense."""
    return str(uuid_utils.uuid7())


def first_id(moment: datetime) -> str:
    """What every id of `new_id` made from `moment` on is greater than: its first 48 bits are milliseconds (RFC 9562).

    So a primary key finds what is older than some day, without a column or an index for it.
    """
    digits = f"{max(0, int(moment.timestamp() * 1000)):012x}"
    return f"{digits[:8]}-{digits[8:12]}"


@lru_cache(maxsize=8_192)
def shipment_id(order_id: str, place_id: str) -> str:
    """The id of the parcel that a place ships for an order: the same in every service, with no lookup."""
    return str(uuid5(_SHIPMENTS, f"{order_id}/{place_id}"))
