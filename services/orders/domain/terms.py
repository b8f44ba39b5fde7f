"""What was agreed when an order was captured. Never changes."""

from datetime import datetime

from shared.value_object import value_object


@value_object
class Terms:
    """Who ordered where, and for how much: `total` is in minor units of `currency`, line totals plus shipping."""

    order_id: str
    channel: str
    external_id: str
    currency: str
    total: int
    placed_at: datetime


@value_object
class Line:
    """One line of an order; `total` is authoritative, in minor units."""

    line_id: str
    quantity: int
    total: int
