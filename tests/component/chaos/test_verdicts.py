"""What a chaos run asks of the orders database, on rows as orders writes them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
from pydantic import TypeAdapter

from deploy.demo.quiet import libpq
from services.orders.domain.facts import Facts, Reservation, Said
from tests.chaos.scene import PAYMENT_SECONDS
from tests.chaos.verdicts import overlooked

_AT = datetime(2026, 1, 1, tzinfo=UTC)
_DEADLINE_MS = int((_AT + timedelta(seconds=PAYMENT_SECONDS)).timestamp() * 1000)


def _cancelled(reason: str, reserved: bool = True) -> str:
    held = {"r1": Reservation(_AT, {}), "r2": Reservation(_AT + timedelta(hours=1), {})} if reserved else {}
    facts = Facts(reservations=held, said=Said(cancelled=_AT, reason=reason))
    return TypeAdapter(Facts).dump_json(facts, exclude_defaults=True).decode()


def test_an_answer_in_time_counts_and_a_late_or_partial_one_does_not(database: Callable[[str], str]) -> None:
    url = libpq(database("verdicts"))
    orders = {
        "in-time": _cancelled("payment_deadline"), "late": _cancelled("payment_deadline"),
        "partial": _cancelled("payment_deadline"), "never": _cancelled("payment_deadline"),
        "no-answer": _cancelled("stock_deadline", reserved=False), "wanted": _cancelled("cancel_requested"),
    }  # fmt: skip
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE orders (id text, total bigint, facts jsonb)")
        for name, facts in orders.items():
            connection.execute("INSERT INTO orders VALUES (%s, 100, %s)", (name, facts))
    paid = {
        "in-time": [(_DEADLINE_MS - 1, 60), (_DEADLINE_MS - 1, 40)],
        "late": [(_DEADLINE_MS + 1, 100)],
        "partial": [(_DEADLINE_MS - 1, 99), (_DEADLINE_MS + 1, 1)],
    }
    found = overlooked(url, paid)
    assert not found.ok
    assert found.detail.startswith("4 orders cancelled as unpaid; 2 wrong")
    assert "order in-time was paid in time" in found.detail
    assert "order no-answer was cancelled without an answer about stock" in found.detail
