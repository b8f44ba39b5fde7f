"""Whether what was submitted can be an order: every faulty field at once, with what would be right.

Works on an order that may be incomplete: a field that is missing or not even of the right type is None
here (the contract names it), and checks that need it are left out. Values are never quoted where they
could be personal data. Money is in minor units.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from services.orders.domain.codes import COUNTRIES, CURRENCIES
from shared.value_object import value_object


@value_object
class Fault:
    """One faulty field: its path, what is wrong, what would be right."""

    field: str
    problem: str
    remedy: str


@value_object
class DraftLine:
    """A line as it was submitted."""

    line_id: str | None
    quantity: int | None
    unit_price: int | None
    discount: int | None
    tax: int | None
    total: int | None


@value_object
class DraftPayment:
    """A payment made before, as it was submitted."""

    payment_id: str | None
    authorized: int | None
    captured: int | None


@value_object
class Draft:
    """An order as it was submitted."""

    channel: str | None
    country: str | None
    currency: str | None
    shipping: int | None
    total: int | None
    prices_include_tax: bool | None
    lines: Sequence[DraftLine]
    payments: Sequence[DraftPayment]


@value_object
class Policy:
    """What orders this merchant takes: of which channels, with at most how many lines."""

    channels: Collection[str]
    max_lines: int


def faults(draft: Draft, policy: Policy) -> list[Fault]:
    """Everything that is wrong; empty for an order that can be accepted."""
    return [
        *_codes(draft, policy.channels),
        *_size(draft, policy.max_lines),
        *_duplicates("lines", "line_id", [line.line_id for line in draft.lines]),
        *_line_totals(draft),
        *_order_total(draft),
        *_duplicates("payments", "payment_id", [payment.payment_id for payment in draft.payments]),
        *_payments(draft),
    ]


def _codes(draft: Draft, channels: Collection[str]) -> Iterator[Fault]:
    if draft.channel is not None and draft.channel not in channels:
        known = ", ".join(sorted(channels))
        yield Fault(
            "channel",
            "is not a known channel",
            f"use one of: {known}; or add it to the setting OMS_ORDERS_CHANNELS",
        )
    if draft.country is not None and draft.country not in COUNTRIES:
        yield Fault("address.country", "is not a country", "use an ISO 3166-1 alpha-2 code such as DE")
    if draft.currency is not None and draft.currency not in CURRENCIES:
        yield Fault("currency", "is not a currency in use", "use an ISO 4217 code such as EUR")


def _size(draft: Draft, max_lines: int) -> Iterator[Fault]:
    if len(draft.lines) > max_lines:
        remedy = "send several orders; or raise the setting MAX_LINES"
        yield Fault("lines", f"are {len(draft.lines)}, more than {max_lines}", remedy)


def _duplicates(path: str, name: str, ids: Sequence[str | None]) -> Iterator[Fault]:
    counts = Counter(key for key in ids if key is not None)
    seen: set[str] = set()
    for index, key in enumerate(ids):
        if key is not None and counts[key] > 1:
            if key in seen:
                yield Fault(f"{path}.{index}.{name}", "occurs before in this order", "give each its own id")
            seen.add(key)


def _line_totals(draft: Draft) -> Iterator[Fault]:
    for index, line in enumerate(draft.lines):
        expected = _expected(line, draft.prices_include_tax)
        if expected is None or line.total is None or line.quantity is None:
            continue
        # Unit prices are rounded, so that a line may be off by half a minor unit per unit.
        if 2 * abs(line.total - expected) > line.quantity:
            yield Fault(
                f"lines.{index}.total",
                f"is {line.total}, but the line's parts make {expected}",
                "quantity x unit_price - discount, plus tax unless prices_include_tax, in minor units",
            )


def _expected(line: DraftLine, prices_include_tax: bool | None) -> int | None:
    if line.quantity is None or line.unit_price is None or line.discount is None or line.tax is None:
        return None
    if prices_include_tax is None or line.quantity < 1:
        return None
    return line.quantity * line.unit_price - line.discount + (0 if prices_include_tax else line.tax)


def _order_total(draft: Draft) -> Iterator[Fault]:
    totals = [line.total for line in draft.lines if line.total is not None]
    if draft.total is None or draft.shipping is None or not totals or len(totals) < len(draft.lines):
        return
    expected = sum(totals) + draft.shipping
    if draft.total != expected:
        remedy = "the sum of the line totals, plus shipping, in minor units"
        yield Fault("total", f"is {draft.total}, but lines and shipping make {expected}", remedy)


def _payments(draft: Draft) -> Iterator[Fault]:
    paid = 0
    for index, payment in enumerate(draft.payments):
        if payment.authorized is None or payment.captured is None:
            return
        if payment.captured > payment.authorized:
            remedy = "authorized is the whole sum agreed to, captured the part of it already collected"
            yield Fault(f"payments.{index}.captured", "is more than authorized", remedy)
        paid += max(payment.authorized, payment.captured)
    if draft.total is not None and paid > draft.total:
        remedy = "send only what belongs to this order"
        yield Fault("payments", f"add up to {paid}, more than the total of {draft.total}", remedy)
