"""Plans of random histories, for hypothesis."""

from hypothesis import strategies as st

from tests.unit.orders.cast import ParcelPlan, PaymentPlan, Plan

_FATES = ("delivered", "delivered", "delivered", "lost", "returned_to_sender", "short")
_OPERATIONS = ("capture", "refund", "void")


@st.composite
def parcels(draw: st.DrawFn) -> ParcelPlan:
    """A parcel; some of what is delivered comes back, and may be said to be worth more than it was."""
    share = draw(st.sampled_from((0, 1, 100, 333)))
    fate = draw(st.sampled_from(_FATES))
    returned = draw(st.one_of(st.just(0), st.integers(0, share + 5))) if fate == "delivered" else 0
    return ParcelPlan(share, fate, draw(st.booleans()), returned)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Several payments over and under the total, failures, cancels, holds and gifts at any moment."""
    chosen = tuple(draw(st.lists(parcels(), min_size=1, max_size=3)))
    rest = sum(parcel.share for parcel in chosen)
    payments = []
    count = draw(st.integers(1, 3))
    for number in range(count):
        amount = rest if number == count - 1 else draw(st.integers(0, rest))
        rest -= amount
        payments.append(
            PaymentPlan(
                amount=max(1, amount + draw(st.sampled_from((0, 0, 0, 0, 0, 7, -5)))),
                how=draw(st.sampled_from(("authorize", "authorize", "sale"))),
                when=draw(st.sampled_from((0, 1, 1, 1, 2))),
                refuses=draw(st.integers(0, 19)) == 7,
                fails=frozenset(name for name in _OPERATIONS if draw(st.integers(0, 9)) == 7),
            )
        )
    return Plan(
        parcels=chosen,
        payments=tuple(payments),
        stock=draw(st.sampled_from(("reserve",) * 9 + ("reject", "silent"))),
        cancel_after=draw(st.one_of(st.none(), st.none(), st.integers(1, 40))),
        early_cancel=draw(st.integers(0, 19)) == 7,
        hold=draw(st.integers(0, 9)) == 7,
        gift=draw(st.sampled_from((0, 0, 0, 10, 10_000))),
        late_returns=draw(st.booleans()),
        people=draw(st.sampled_from(("look", "settle", "settle", "cash"))),
        persistent=draw(st.booleans()),
        seed=draw(st.integers(0, 2**32)),
    )
