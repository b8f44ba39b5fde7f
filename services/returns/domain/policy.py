"""How long, and for which reasons, customers may send goods back."""

from datetime import datetime, timedelta
from typing import Literal

from shared.value_object import value_object

Reason = Literal[
    "not_wanted", "defective", "wrong_item", "size_small", "size_large", "damaged_transit", "late",
    "not_as_described", "incomplete", "duplicate", "warranty",
]  # fmt: skip
"""Why customers send goods back."""

NEWS_SECONDS = 5
"""When to ask again about an order of which only later news arrived: its confirmation is on its way."""


@value_object
class Policy:
    """The merchant's terms.

    `window` and `warranty` count from the delivery of the parcel, the latter for the reason `warranty`;
    `patience` is how long an authorised return waits for its goods; `ask_again` is when to ask again, in
    seconds, about a parcel that is not delivered yet.
    """

    window: timedelta
    warranty: timedelta
    patience: timedelta
    ask_again: int

    def until(self, delivered_at: datetime, reason: str) -> datetime:
        """The last moment at which a return for this reason may be asked for."""
        return delivered_at + (self.warranty if reason == "warranty" else self.window)
