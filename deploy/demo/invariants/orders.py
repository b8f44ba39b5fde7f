"""Orders: each is there once, and each came to an end or is looked after."""

from deploy.demo.invariants.databases import Databases
from deploy.demo.invariants.verdict import Submitted, Verdict, verdict


def no_order_lost_or_doubled(db: Databases, submitted: Submitted) -> Verdict:
    """The orders that are there are those that were taken, each once, under the id that was answered."""
    missing = dict(submitted.accepted)
    faults, there = [], 0
    query = "SELECT id, channel, external_id FROM orders WHERE placed_at IS NOT NULL"
    for order, channel, external_id in db.rows("orders", query):
        there += 1
        name = (channel, external_id)
        if name not in missing:
            kind = (
                "doubled"
                if name in submitted.accepted
                else "refused and yet there"
                if name in submitted.refused
                else "unknown"
            )
            faults.append(f"{channel} {external_id} is {kind}")
        elif missing[name] not in (None, order):
            faults.append(f"{channel} {external_id} is {order}, answered was {missing[name]}")
        missing.pop(name, None)
    faults += [f"{channel} {external_id} is lost" for channel, external_id in missing]
    return verdict(f"{len(submitted.accepted)} taken, {there} there", faults)


def every_order_ended_or_is_looked_after(db: Databases, _: Submitted) -> Verdict:
    """Completed, cancelled, before its deadline, or flagged for a person."""
    query = """SELECT count(*) FILTER (WHERE state = 'completed'), count(*) FILTER (WHERE state = 'cancelled'),
                      count(*) FILTER (WHERE needs_attention) FROM orders WHERE placed_at IS NOT NULL"""
    completed, cancelled, flagged = db.one("orders", query)
    stuck = """SELECT id, state FROM orders
               WHERE placed_at IS NOT NULL AND state NOT IN ('completed', 'cancelled') AND NOT needs_attention
               AND (deadline_at IS NULL OR deadline_at < now())"""
    faults = [f"order {order} is {state}" for order, state in db.rows("orders", stuck)]
    return verdict(f"{completed} completed, {cancelled} cancelled, {flagged} flagged", faults)


def ends_agree(db: Databases, _: Submitted) -> Verdict:
    """A completed order has a parcel that left, all of them at an end; a cancelled one has none that left."""
    states: dict[str, str] = dict(
        db.rows("orders", "SELECT id, state FROM orders WHERE placed_at IS NOT NULL")
    )
    left: set[str] = set()
    ended: dict[str, bool] = {}
    parcels = 0
    query = "SELECT order_id, state, dispatched_at IS NOT NULL FROM shipments"
    for order, state, gone in db.rows("fulfillment", query):
        parcels += 1
        if gone:
            left.add(order)
        over = state in ("delivered", "lost", "returned_to_sender", "cancelled")
        ended[order] = ended.get(order, True) and over
    faults = [
        f"order {order} is cancelled and a parcel left" for order in left if states.get(order) == "cancelled"
    ]
    for order, state in states.items():
        if state == "completed" and not (order in left and ended[order]):
            faults.append(f"order {order} is completed and its parcels are not")
    return verdict(f"{parcels} parcels of {len(ended)} orders", faults)
