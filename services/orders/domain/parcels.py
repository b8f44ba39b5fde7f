"""How far a parcel has come, from what was heard of it."""

from services.orders.domain.facts import Parcel, Share

ENDS = ("cancelled", "returned_to_sender", "lost", "delivered")
"""How a parcel can end, in rising rank: should two be heard, the later of these counts (and a person is asked)."""
NEVER_ARRIVED = frozenset({"cancelled", "returned_to_sender", "lost"})
"""Ends after which a parcel is paid back."""
_LEFT = frozenset({"dispatched", "exception", "delivered", "lost", "returned_to_sender"})
"""News that only a parcel which left its place can make, whether or not its dispatch was heard of."""

Known = tuple[str, Share, Parcel]
"""A parcel of an order: its id, its share of the money, and what was heard of it, which may be nothing."""


def end_of(parcel: Parcel) -> str | None:
    """How the parcel ended; None while it has not."""
    for end in reversed(ENDS):
        if end in parcel.seen:
            return end
    return None


def dispatched(parcel: Parcel) -> bool:
    """Whether the parcel left its place."""
    return not _LEFT.isdisjoint(parcel.seen)
