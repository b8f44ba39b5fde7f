"""What has to be true after a storm: the demo's invariants, and what only a storm can break."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg

from deploy.demo.invariants import Submitted, Verdict, check, count_dead_letters
from deploy.demo.invariants.verdict import verdict
from tests.chaos.scene import PAYMENT_SECONDS, Scene
from tests.chaos.storm import Storm


@dataclass(frozen=True)
class Judged:
    """Verdicts and the figures behind them."""

    verdicts: Mapping[str, Verdict]
    lost: int
    """Orders that were answered and are not there."""
    doubled: int
    """Orders that are there twice, or under another id than was answered."""
    parked: int


def judge(scene: Scene, storm: Storm, submitted: Submitted) -> Judged:
    """Ask everything. To be asked when everything is quiet."""
    found = check({service: scene.admin(service) for service in scene.databases}, submitted)
    lost, doubled = _lost_and_doubled(scene, submitted)
    fleet = scene.fleet
    lives = sum(member.lives for member in fleet.members)
    found["no_needless_restarts"] = verdict(f"{lives} lives of {len(fleet.members)} processes", fleet.unasked)
    found["orderly_ends"] = verdict("processes asked to end did so", fleet.unclean)
    found["no_answer_overlooked"] = overlooked(scene.admin("orders"), scene.tap.paid)
    found["every_fault_recovered_from"] = verdict(
        f"{len(storm.strikes)} faults",
        [f"{s.kind} of {s.struck} at {s.began:.0f} s" for s in storm.strikes if s.recovery is None],
    )
    return Judged(found, lost, doubled, count_dead_letters({s: scene.admin(s) for s in scene.databases}))


def _lost_and_doubled(scene: Scene, submitted: Submitted) -> tuple[int, int]:
    there: dict[tuple[str, str], list[str]] = {}
    with psycopg.connect(scene.admin("orders")) as connection:
        query = "SELECT id, channel, external_id FROM orders WHERE placed_at IS NOT NULL"
        for order, channel, external_id in connection.execute(query):
            there.setdefault((channel, external_id), []).append(order)
    lost = sum(name not in there for name in submitted.accepted)
    doubled = sum(
        len(ids) > 1 or submitted.accepted.get(name) not in (None, ids[0]) for name, ids in there.items()
    )
    return lost, doubled


def overlooked(orders: str, paid: Mapping[str, Sequence[tuple[int, int]]]) -> Verdict:
    """No order was cancelled by a deadline although the answer to it lay on its topic in time.

    `paid` tells by order when the broker took word of a payment (ms since 1970), and of how much.
    """
    faults, unpaid = [], 0
    query = """SELECT id, total, facts->'said'->>'reason',
                      (SELECT extract(epoch FROM min((held->>'at')::timestamptz)) * 1000
                       FROM jsonb_each(facts->'reservations') AS known (name, held))
               FROM orders WHERE facts->'said'->>'reason' IN ('stock_deadline', 'payment_deadline')"""
    with psycopg.connect(orders) as connection:
        for order, total, reason, reserved_ms in connection.execute(query):
            if reason == "stock_deadline":
                faults.append(f"order {order} was cancelled without an answer about stock")
                continue
            unpaid += 1
            deadline = float(reserved_ms) + PAYMENT_SECONDS * 1000
            in_time = sum(amount for at, amount in paid.get(order, ()) if at < deadline)
            if in_time >= total:
                faults.append(f"order {order} was paid in time and cancelled as unpaid")
    return verdict(f"{unpaid} orders cancelled as unpaid", faults)
