"""Who plays in a history, what they are going to do, and the payment service's own books."""

from collections import Counter
from dataclasses import dataclass, field

from services.orders.domain.facts import Facts


@dataclass(frozen=True)
class PaymentPlan:
    """A payer: how much, how, and what goes wrong. `when`: 0 before the order, 1 some time, 2 after the deadline."""

    amount: int
    how: str = "authorize"
    when: int = 1
    refuses: bool = False
    fails: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ParcelPlan:
    """A parcel's share and fate; `returned` is what the returns service says that came back is worth.

    It may say more than the parcel was worth: orders guards the sum.
    """

    share: int
    fate: str = "delivered"
    exception: bool = False
    returned: int = 0


@dataclass(frozen=True)
class Plan:
    """What will happen around one order."""

    parcels: tuple[ParcelPlan, ...]
    payments: tuple[PaymentPlan, ...]
    stock: str = "reserve"
    cancel_after: int | None = None
    early_cancel: bool = False
    hold: bool = False
    gift: int = 0
    """What people pay back by hand; more than there is means all of it."""
    late_returns: bool = False
    """Goods come back only when everything else is over."""
    people: str = "look"
    """`settle`: resolve what is open; `cash`: collect what is missing by hand; `look`: only have it tried again."""
    persistent: bool = False
    seed: int = 0

    @property
    def total(self) -> int:
        """What the order costs."""
        return sum(parcel.share for parcel in self.parcels)


@dataclass
class Account:
    """The payment service's own book of one payment."""

    plan: PaymentPlan
    authorized: int = 0
    captured: int = 0
    refunded: int = 0
    voided: int = 0
    answers: dict[str, Facts] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def open(self) -> int:
        """Agreed to, not collected, not given up."""
        return self.authorized - self.captured - self.voided
