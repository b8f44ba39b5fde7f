"""What an invariant answers, and what it is told."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

Name = tuple[str, str]
"""Channel and external id."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it holds, and the figures that say so."""

    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Paid:
    """What the payment service did with one payment, in minor units."""

    order_id: str
    authorized: int
    captured: int
    refunded: int
    voided: int


@dataclass(frozen=True, slots=True)
class Submitted:
    """What other systems know: the orders that were taken and refused, and what was planted to be parked."""

    accepted: Mapping[Name, str | None]
    """Order id by name, None where it was not told."""
    refused: Collection[Name] = ()
    payments: Mapping[str, Paid] | None = None
    """The payment service's own books, if it is asked."""
    objections: Collection[str] = ()
    """Requests that the payment service could not have fulfilled: for more money than there was."""
    message_ids: int | None = None
    """Different Message-IDs that the mail server took, if it is asked."""
    planted: Mapping[str, int] = field(default_factory=dict)
    """Dead letters that were caused on purpose, by service."""


def verdict(figures: str, faults: Iterable[str]) -> Verdict:
    """Holds if there is no fault; names the first few."""
    found = list(faults)
    if not found:
        return Verdict(True, figures)
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return Verdict(False, f"{figures}; {len(found)} wrong: {'; '.join(found[:5])}{more}")
