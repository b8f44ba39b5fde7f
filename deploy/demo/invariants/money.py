"""Money: what was collected and paid back, against what was delivered and against the payment service's books."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deploy.demo.invariants.databases import Databases
from deploy.demo.invariants.verdict import Submitted, Verdict, verdict


@dataclass(frozen=True, slots=True)
class Purse:
    """One order's money as orders knows it, in minor units."""

    order: str
    state: str
    total: int
    flagged: bool
    confirmed: bool
    payments: Mapping[str, Mapping[str, Any]]
    requests: Mapping[str, Mapping[str, Any]]
    shares: Mapping[str, int]
    """Parcel -> what it costs: its goods and its part of the shipping."""

    def sum_of(self, kind: str, payment: str | None = None) -> int:
        """Captured, refunded or voided, of one payment or of all."""
        chosen = self.payments.values() if payment is None else [self.payments.get(payment, {})]
        return sum(sum(record.get(kind, {}).values()) for record in chosen)

    def refunds_asked(self, payment: str | None = None, *, by_hand: bool = False) -> int:
        """Refund requests that did not fail, of one payment or of all; `by_hand`: only those a person decided."""
        return sum(
            request["amount"]
            for key, request in self.requests.items()
            if request["operation"] == "refund"
            and payment in (None, request["payment_id"])
            and (bool(request.get("gift")) or not by_hand)
            and key not in self.payments.get(request["payment_id"], {}).get("failed", {})
        )


def cancelled_pays_everything_back(db: Databases, _: Submitted) -> Verdict:
    """Of a cancelled order everything that was collected was asked to be paid back, or a person knows."""
    count, money, faults = 0, 0, []
    for purse in _purses(db, "state = 'cancelled'"):
        captured, asked = purse.sum_of("captured"), purse.refunds_asked()
        count, money = count + 1, money + captured
        if captured != asked and not purse.flagged:
            faults.append(f"order {purse.order}: collected {captured}, asked to pay back {asked}")
    return verdict(f"{count} orders, {money} collected and paid back", faults)


def completed_costs_what_was_kept(db: Databases, _: Submitted) -> Verdict:
    """What a completed order keeps of its money is the worth of what was delivered and did not come back."""
    delivered: dict[str, set[str]] = {}
    for order, parcel in db.rows(
        "fulfillment", "SELECT order_id, shipment_id FROM shipments WHERE state = 'delivered'"
    ):
        delivered.setdefault(order, set()).add(parcel)
    returned: Counter[str] = Counter()
    query = "SELECT order_id, value FROM returns WHERE origin = 'customer' AND value IS NOT NULL"
    for order, value in db.rows("returns", query):
        returned[order] += value
    count, money, flagged, faults = 0, 0, 0, []
    for purse in _purses(db, "state = 'completed'"):
        count, flagged = count + 1, flagged + purse.flagged
        captured, given = purse.sum_of("captured"), purse.refunds_asked(by_hand=True)
        # What was paid above the total goes back by hand; it is neither kept nor a lower price.
        excess = min(given, max(0, captured - purse.total))
        kept = min(captured, purse.total) - (purse.refunds_asked() - excess)
        worth = sum(
            share for parcel, share in purse.shares.items() if parcel in delivered.get(purse.order, ())
        )
        cost = max(0, worth - returned[purse.order] - (given - excess))
        money += kept
        if kept != cost and not purse.flagged:
            faults.append(f"order {purse.order}: keeps {kept}, delivered and kept is {cost}")
    return verdict(f"{count} orders keep {money}, {flagged} of them flagged", faults)


def shares_add_up(db: Databases, _: Submitted) -> Verdict:
    """The parcels of a confirmed order cost together what the order costs."""
    count, faults = 0, []
    for purse in _purses(db, "true"):
        if purse.confirmed:
            count += 1
            if sum(purse.shares.values()) != purse.total:
                faults.append(
                    f"order {purse.order}: parcels {sum(purse.shares.values())}, total {purse.total}"
                )
    return verdict(f"{count} confirmed orders", faults)


def refunds_within_captured(db: Databases, _: Submitted) -> Verdict:
    """Of no payment more is paid back, or asked to be, than was collected."""
    count, money, faults = 0, 0, []
    for purse in _purses(db, "true"):
        for payment in purse.payments:
            count += 1
            captured, asked = purse.sum_of("captured", payment), purse.refunds_asked(payment)
            refunded = purse.sum_of("refunded", payment)
            money += refunded
            if max(asked, refunded) > captured:
                faults.append(
                    f"payment {payment}: collected {captured}, asked back {asked}, paid back {refunded}"
                )
    return verdict(f"{count} payments, {money} paid back", faults)


def no_authorisation_stays_open(db: Databases, _: Submitted) -> Verdict:
    """When an order is over, what was authorised is collected or given up, or a person knows."""
    count, faults = 0, []
    for purse in _purses(db, "state IN ('completed', 'cancelled')"):
        for payment, record in purse.payments.items():
            count += 1
            left = (
                record.get("authorized", 0)
                - purse.sum_of("captured", payment)
                - purse.sum_of("voided", payment)
            )
            if left > 0 and not purse.flagged:
                faults.append(f"payment {payment} of order {purse.order}: {left} still authorised")
    return verdict(f"{count} payments", faults)


def payment_service_agrees(db: Databases, submitted: Submitted) -> Verdict:
    """The payment service moved exactly the money that orders knows of, and was never asked for the impossible."""
    if submitted.payments is None:
        return Verdict(True, "not asked")
    faults = list(submitted.objections)
    known: dict[str, tuple[int, int, int]] = {}
    for purse in _purses(db, "true"):
        for payment in purse.payments:
            known[payment] = (
                purse.sum_of("captured", payment), purse.sum_of("refunded", payment), purse.sum_of("voided", payment)
            )  # fmt: skip
    for payment, paid in submitted.payments.items():
        theirs = (paid.captured, paid.refunded, paid.voided)
        ours = known.get(payment, (0, 0, 0))
        if ours != theirs:
            faults.append(f"payment {payment}: captured, refunded, voided are {ours} here and {theirs} there")
    captured = sum(paid.captured for paid in submitted.payments.values())
    refunded = sum(paid.refunded for paid in submitted.payments.values())
    return verdict(f"{len(submitted.payments)} payments, {captured} collected, {refunded} paid back", faults)


def _purses(db: Databases, where: str) -> Iterator[Purse]:
    query = f"""SELECT id, state, total, needs_attention, facts->'payments', facts->'said', facts->'reservations'
                FROM orders WHERE placed_at IS NOT NULL AND {where}"""  # noqa: S608 - conditions of this file
    for order, state, total, flagged, payments, what_we_said, held in db.rows("orders", query):
        said, reservations = what_we_said or {}, held or {}
        counts = said.get("reservation") or min(reservations, default=None)
        parcels = reservations[counts]["parcels"] if counts is not None else {}
        yield Purse(
            order=order,
            state=state,
            total=total,
            flagged=flagged,
            confirmed="confirmed" in said,
            payments=payments or {},
            requests=said.get("requests", {}),
            shares={parcel: share["amount"] for parcel, share in parcels.items()},
        )
