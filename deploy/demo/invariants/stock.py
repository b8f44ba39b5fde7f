"""Quantities: what inventory counts, holds and lets go, against what orders and fulfillment know."""

from collections import Counter

from deploy.demo.invariants.databases import Databases
from deploy.demo.invariants.verdict import Submitted, Verdict, verdict

_HELD, _RELEASED, _CANCELLED, _DISPATCHED = range(4)
"""Fates of a reserved parcel, as inventory numbers them."""


def nothing_below_zero(db: Databases, _: Submitted) -> Verdict:
    """No counter and no availability is negative; nobody was sold what is not there."""
    query = """SELECT count(*), coalesce(sum(on_hand), 0), count(*) FILTER (
                 WHERE least(on_hand, reserved, unavailable, on_hand - reserved - unavailable) < 0)
               FROM stock"""
    rows, units, negative = db.one("inventory", query)
    faults = [f"{negative} counters below zero"] if negative else []
    return verdict(f"{rows} counters, {units} units on hand", faults)


def counters_equal_ledger(db: Databases, _: Submitted) -> Verdict:
    """Every counter is the sum of its movements."""
    query = """SELECT sku, place_id
               FROM stock s FULL JOIN (
                 SELECT sku, place_id, sum(on_hand) AS on_hand, sum(reserved) AS reserved,
                        sum(unavailable) AS unavailable
                 FROM ledger GROUP BY sku, place_id) l USING (sku, place_id)
               WHERE (s.on_hand, s.reserved, s.unavailable) IS DISTINCT FROM (l.on_hand, l.reserved, l.unavailable)"""
    movements, counters = db.one(
        "inventory", "SELECT (SELECT count(*) FROM ledger), (SELECT count(*) FROM stock)"
    )
    faults = [f"{sku} at {place}" for sku, place in db.rows("inventory", query)]
    return verdict(f"{movements} movements, {counters} counters", faults)


def reserved_is_what_is_held(db: Databases, _: Submitted) -> Verdict:
    """The reserved units of each SKU and place are those of the parcels that are held, and of nothing else."""
    query = """SELECT sku, place_id, coalesce(s.reserved, 0), coalesce(a.units, 0)
               FROM stock s FULL JOIN (
                 SELECT sku, place_id, sum(quantity) AS units FROM allocations JOIN parcels USING (order_id, place_id)
                 WHERE fate = 0 GROUP BY sku, place_id) a USING (sku, place_id)
               WHERE coalesce(s.reserved, 0) <> coalesce(a.units, 0)"""
    (units,) = db.one("inventory", "SELECT coalesce(sum(reserved), 0) FROM stock")
    faults = [
        f"{sku} at {place}: {counter} reserved, {held} held"
        for sku, place, counter, held in db.rows("inventory", query)
    ]
    return verdict(f"{units} units reserved", faults)


def reservations_match_orders(db: Databases, _: Submitted) -> Verdict:
    """A parcel is held exactly while its order is neither cancelled nor the parcel cancelled or dispatched."""
    cancelled = {order for (order,) in db.rows("orders", "SELECT id FROM orders WHERE state = 'cancelled'")}
    left = {
        (order, place): state
        for order, place, state in db.rows("fulfillment", "SELECT order_id, place_id, state FROM shipments")
    }
    gone = {"dispatched", "exception", "delivered", "lost", "returned_to_sender"}
    faults, fates = [], Counter[int]()
    query = """SELECT DISTINCT order_id, place_id, fate FROM allocations JOIN parcels USING (order_id, place_id)"""
    for order, place, fate in db.rows("inventory", query):
        fates[fate] += 1
        state = left.get((order, place))
        expected = (
            {_DISPATCHED} if state in gone
            else {_CANCELLED, _RELEASED} if order in cancelled
            else {_CANCELLED} if state == "cancelled"
            else {_HELD}
        )  # fmt: skip
        if fate not in expected:
            faults.append(
                f"order {order} at {place}: fate {fate}, parcel {state}, cancelled {order in cancelled}"
            )
    let_go = fates[_RELEASED] + fates[_CANCELLED]
    return verdict(f"{fates[_HELD]} parcels held, {fates[_DISPATCHED]} dispatched, {let_go} let go", faults)


def reserved_all_or_nothing(db: Databases, _: Submitted) -> Verdict:
    """A reservation holds every unit of every line of its order, or none."""
    ordered = _ordered(db)
    reserved: dict[str, Counter[str]] = {}
    for order, line, quantity in db.rows("inventory", "SELECT order_id, line_id, quantity FROM allocations"):
        reserved.setdefault(order, Counter())[line] += quantity
    faults = [
        f"order {order}: reserved {dict(lines)} of {dict(ordered.get(order, {}))}"
        for order, lines in reserved.items()
        if ordered.get(order) != lines
    ]
    return verdict(f"{len(reserved)} orders reserved", faults)


def shipped_within_ordered(db: Databases, _: Submitted) -> Verdict:
    """No line of an order ships more units than were ordered, and no parcel has lines that nobody ordered."""
    ordered = _ordered(db)
    shipped: dict[str, Counter[str]] = {}
    query = """SELECT order_id, line->>'line_id', (line->>'quantity')::bigint
               FROM shipments, jsonb_array_elements(lines) AS line WHERE dispatched_at IS NOT NULL"""
    units = 0
    for order, line, quantity in db.rows("fulfillment", query):
        shipped.setdefault(order, Counter())[line] += quantity
        units += quantity
    faults = []
    for order, lines in shipped.items():
        of = ordered.get(order, Counter[str]())
        faults += [
            f"order {order} line {line}: {n} shipped of {of[line]}"
            for line, n in lines.items()
            if n > of[line]
        ]
    return verdict(f"{units} units of {len(shipped)} orders shipped", faults)


def _ordered(db: Databases) -> dict[str, Counter[str]]:
    """Units ordered, by order and line."""
    ordered: dict[str, Counter[str]] = {}
    query = """SELECT id, line->>'line_id', (line->>'quantity')::bigint
               FROM orders, jsonb_array_elements(body->'lines') AS line WHERE placed_at IS NOT NULL"""
    for order, line, quantity in db.rows("orders", query):
        ordered.setdefault(order, Counter())[line] += quantity
    return ordered
