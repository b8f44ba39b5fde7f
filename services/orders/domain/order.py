"""One order as its facts show it: the questions that rules, states and people ask.

Nothing is stored in here; everything is a pure function of terms and facts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar, overload

from services.orders.domain import attention, balance
from services.orders.domain.facts import Facts, Parcel, Reservation, Word
from services.orders.domain.parcels import Known, dispatched, end_of
from services.orders.domain.terms import Terms

T = TypeVar("T")


class worked_out(Generic[T]):
    """A property that is worked out once. As functools.cached_property, without the lock that one takes before 3.12:
    a dozen of them for every message cost more than what they keep."""

    def __init__(self, work: Callable[[Any], T]) -> None:
        self._work, self._name, self.__doc__ = work, work.__name__, work.__doc__

    @overload
    def __get__(self, order: None, _: type) -> Self: ...
    @overload
    def __get__(self, order: Any, _: type) -> T: ...
    def __get__(self, order: Any, _: type) -> T | Self:
        if order is None:
            return self
        found = self._work(order)
        order.__dict__[self._name] = found
        return found


@dataclass(frozen=True)
class Order:
    """Terms and facts. Not slotted: what was worked out once is kept, since facts never change in place."""

    terms: Terms
    facts: Facts

    @worked_out
    def cancel_wanted(self) -> Word | None:
        """The first wish that the order be cancelled."""
        return min(self.facts.cancels.values(), key=lambda word: (word.at, word.by, word.why), default=None)

    @worked_out
    def reservation_id(self) -> str | None:
        """The reservation that counts: the one that was confirmed, else the one with the smallest id."""
        return self.facts.said.reservation or min(self.facts.reservations, default=None)

    @worked_out
    def reservation(self) -> Reservation | None:
        """What is held for the order."""
        return self.facts.reservations.get(self.reservation_id) if self.reservation_id else None

    @property
    def on_hold(self) -> bool:
        """Whether a hold is on that nobody released."""
        return any(hold.placed is not None and hold.released is None for hold in self.facts.holds.values())

    @worked_out
    def parcels(self) -> tuple[Known, ...]:
        """Every parcel of the order, heard of or not: id, share, what is known of it."""
        held = self.reservation.parcels.items() if self.reservation is not None else ()
        return tuple((key, share, self.facts.parcels.get(key, Parcel())) for key, share in held)

    def shares(self, ends: frozenset[str]) -> Iterator[tuple[str, int]]:
        """Parcels that ended so, with their shares."""
        return ((key, share.amount) for key, share, parcel in self.parcels if end_of(parcel) in ends)

    @worked_out
    def balance(self) -> balance.Balance:
        """The order's money."""
        return balance.balance(self.terms.total, self.facts, self.parcels)

    @worked_out
    def needs(self) -> tuple[attention.Need, ...]:
        """Everything that needs a person as the facts stand."""
        return tuple(attention.needs(self))

    @worked_out
    def anything_dispatched(self) -> bool:
        """Whether any parcel left its place."""
        return any(dispatched(parcel) for parcel in self.facts.parcels.values())

    @worked_out
    def every_parcel_ended(self) -> bool:
        """Whether parcels are known and all of them came to an end."""
        return bool(self.parcels) and all(end_of(parcel) for _, _, parcel in self.parcels)

    @worked_out
    def every_parcel_cancelled(self) -> bool:
        """Whether parcels are known and none of them will ship."""
        return bool(self.parcels) and all(end_of(parcel) == "cancelled" for _, _, parcel in self.parcels)

    @property
    def cancelling(self) -> bool:
        """Whether fulfilment was asked to give the order up and has neither answered nor dispatched."""
        asked = self.facts.said.cancel_requested is not None
        return asked and not self.facts.answers and not self.anything_dispatched

    @property
    def confirmed(self) -> bool:
        """Whether fulfilment was told to ship."""
        return self.facts.said.confirmed is not None

    @property
    def cancelled(self) -> bool:
        """Whether the order is over without anything shipped."""
        return self.facts.said.cancelled is not None

    @property
    def completed(self) -> bool:
        """Whether the order is over with something shipped."""
        return self.facts.said.completed is not None

    @property
    def final(self) -> bool:
        """Whether the order is over; money may still move."""
        return self.cancelled or self.completed
