"""Every invariant can fail: what it guards is broken in a transaction that is rolled back, and it says so."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from deploy.demo.invariants import INVARIANTS, Submitted, check
from deploy.demo.quiet import libpq
from shared.contracts.orders import OrderCompleted, RefundIssued
from tests.system.suite import Suite
from tests.system.test_scenarios import send_back

pytestmark = [pytest.mark.platform, pytest.mark.timeout(300)]

BREAKS = {
    "no_order_lost_or_doubled": ("orders", "UPDATE orders SET external_id = 'another' WHERE id = %(kept)s"),
    "every_order_ended_or_is_looked_after": (
        "orders", "UPDATE orders SET state = 'shipped', deadline_at = NULL WHERE id = %(kept)s"),
    "ends_agree": ("orders", "UPDATE orders SET state = 'cancelled' WHERE id = %(kept)s"),
    "nothing_below_zero": (
        "inventory", "ALTER TABLE stock DROP CONSTRAINT stock_never_negative; UPDATE stock SET on_hand = -1"),
    "counters_equal_ledger": ("inventory", "UPDATE stock SET on_hand = on_hand + 1 WHERE sku = %(sku)s"),
    "reserved_is_what_is_held": (
        "inventory", "UPDATE stock SET reserved = reserved + 1, on_hand = on_hand + 1 WHERE sku = %(sku)s"),
    "reservations_match_orders": ("inventory", "UPDATE parcels SET fate = 0 WHERE order_id = %(kept)s"),
    "reserved_all_or_nothing": (
        "inventory", "UPDATE allocations SET quantity = quantity - 1 WHERE order_id = %(kept)s"),
    "shipped_within_ordered": (
        "fulfillment",
        """UPDATE shipments SET lines = jsonb_set(lines, '{0,quantity}', '9') WHERE order_id = %(kept)s"""),
    "shares_add_up": ("orders", "UPDATE orders SET total = total + 1 WHERE id = %(kept)s"),
    "cancelled_pays_everything_back": (
        "orders", "UPDATE orders SET facts = facts #- '{said,requests}' WHERE id = %(cancelled)s"),
    "completed_costs_what_was_kept": ("returns", "UPDATE returns SET value = value - 1 WHERE order_id = %(kept)s"),
    "refunds_within_captured": (
        "orders",
        """UPDATE orders SET facts = jsonb_set(facts, '{payments}',
             (SELECT jsonb_object_agg(key, value - 'captured') FROM jsonb_each(facts->'payments')))
           WHERE id = %(kept)s"""),
    "no_authorisation_stays_open": (
        "orders",
        """UPDATE orders SET facts = jsonb_set(facts, '{payments}',
             (SELECT jsonb_object_agg(key, value || '{"authorized": 99999}') FROM jsonb_each(facts->'payments')))
           WHERE id = %(kept)s"""),
    "payment_service_agrees": (
        "orders",
        """UPDATE orders SET facts = jsonb_set(facts, '{payments}',
             (SELECT jsonb_object_agg(key, value - 'refunded') FROM jsonb_each(facts->'payments')))
           WHERE id = %(kept)s"""),
    "told_once": ("notifications", "UPDATE deliveries SET state = 'failed' WHERE order_id = %(kept)s"),
    "everybody_was_told": ("notifications", "DELETE FROM deliveries WHERE order_id = %(kept)s"),
    "outboxes_empty": (
        "returns", "INSERT INTO outbox (shard, topic, key, headers, body) VALUES (0, 't', 'k', '[]', '{}')"),
    "dead_letters_only_planted": (
        "fulfillment",
        """INSERT INTO dead_letters (topic, partition, message_offset, appended_at, headers, reason, error)
           VALUES ('t', 0, 0, now(), '[]', 'r', 'e')"""),
}  # fmt: skip
"""Invariant -> (service, what makes it untrue)."""


@pytest.fixture(scope="module")
async def names(suite: Suite) -> dict[str, str]:
    """An order that was kept in part, one that was paid and cancelled, and the article of the first."""
    sku = await suite.article(north=9)
    kept = await suite.order((sku, 2, 1000))
    await kept.deliver(*await kept.parcels())
    await kept.expect(OrderCompleted)
    await send_back(suite, kept, 1, "one")
    await kept.expect(RefundIssued)
    cancelled = await suite.order((sku, 1, 1000), pays="sale")
    await cancelled.parcels()
    assert (await cancelled.cancel()).ok
    await cancelled.expect(RefundIssued)
    await suite.proves_true()
    return {"kept": kept.order_id, "cancelled": cancelled.order_id, "sku": sku}


@pytest.fixture
def connections(suite: Suite) -> Iterator[dict[str, psycopg.Connection]]:
    """The databases, in transactions that never commit."""
    opened = {name: psycopg.connect(libpq(url)) for name, url in suite.databases.items()}
    yield opened
    for connection in opened.values():
        connection.rollback()
        connection.close()


@pytest.mark.parametrize("name", INVARIANTS)
async def test_an_invariant_notices_what_breaks_it(
    name: str, suite: Suite, names: dict[str, str], connections: dict[str, psycopg.Connection]
) -> None:
    service, change = BREAKS[name]
    for statement in change.split(";"):
        connections[service].execute(statement.encode(), names if "%(" in statement else None)
    verdicts = await asyncio.to_thread(check, connections, suite.submitted(suite.mailbox.distinct()))
    assert not verdicts[name].ok, verdicts[name].detail


async def test_lost_doubled_refused_and_impossible_things_are_named(
    suite: Suite, names: dict[str, str]
) -> None:
    told = suite.submitted()
    (lost, *_), wrong = told.accepted, dict(told.accepted)
    wrong.pop(lost)
    wrong["shop", "never-there"] = None

    def verdict(submitted: Submitted, name: str) -> str:
        found = check(suite.databases, submitted)[name]
        assert not found.ok
        return found.detail

    detail = await asyncio.to_thread(
        verdict, replace(told, accepted=wrong, refused={lost}), "no_order_lost_or_doubled"
    )
    assert "shop never-there is lost" in detail
    assert f"{lost[1]} is refused and yet there" in detail
    detail = await asyncio.to_thread(
        verdict, replace(told, objections=("too much was asked",)), "payment_service_agrees"
    )
    assert "too much was asked" in detail
