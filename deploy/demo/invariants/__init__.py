"""What has to be true whatever happened: one function each, over the five databases and what others know.

Used by the demo, by system and chaos tests and by benchmarks. To be asked when everything is quiet.
"""

from collections.abc import Callable, Mapping

import psycopg

from deploy.demo.invariants.databases import Databases, opened
from deploy.demo.invariants.messages import (
    dead_letters_only_planted,
    everybody_was_told,
    outboxes_empty,
    told_once,
)
from deploy.demo.invariants.money import (
    cancelled_pays_everything_back,
    completed_costs_what_was_kept,
    no_authorisation_stays_open,
    payment_service_agrees,
    refunds_within_captured,
    shares_add_up,
)
from deploy.demo.invariants.orders import (
    ends_agree,
    every_order_ended_or_is_looked_after,
    no_order_lost_or_doubled,
)
from deploy.demo.invariants.stock import (
    counters_equal_ledger,
    nothing_below_zero,
    reservations_match_orders,
    reserved_all_or_nothing,
    reserved_is_what_is_held,
    shipped_within_ordered,
)
from deploy.demo.invariants.verdict import Paid, Submitted, Verdict

Invariant = Callable[[Databases, Submitted], Verdict]

INVARIANTS: Mapping[str, Invariant] = {
    function.__name__: function
    for function in (
        no_order_lost_or_doubled, every_order_ended_or_is_looked_after, ends_agree, nothing_below_zero,
        counters_equal_ledger, reserved_is_what_is_held, reservations_match_orders, reserved_all_or_nothing,
        shipped_within_ordered, shares_add_up, cancelled_pays_everything_back, completed_costs_what_was_kept,
        refunds_within_captured, no_authorisation_stays_open, payment_service_agrees, told_once, everybody_was_told,
        outboxes_empty, dead_letters_only_planted,
    )
}  # fmt: skip
"""Every invariant by its name."""


def check(databases: "Mapping[str, str | psycopg.Connection]", submitted: Submitted) -> dict[str, Verdict]:
    """Every invariant's verdict; `databases` are addresses or connections by service."""
    with opened(databases) as db:
        return {name: invariant(db, submitted) for name, invariant in INVARIANTS.items()}


def count_dead_letters(databases: "Mapping[str, str | psycopg.Connection]") -> int:
    """Messages parked in all services."""
    with opened(databases) as db:
        query = "SELECT count(*) FROM dead_letters WHERE state = 'parked'"
        return sum(int(db.one(service, query)[0]) for service in db.services)


__all__ = ["INVARIANTS", "Databases", "Paid", "Submitted", "Verdict", "check", "count_dead_letters"]
