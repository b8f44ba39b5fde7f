"""Orders: claimed by name, held by id, saved in sets."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Integer, bindparam, select

from services.orders.domain.attention import needs_person
from services.orders.domain.deadlines import Windows, next_deadline
from services.orders.domain.facts import Facts
from services.orders.domain.order import Order
from services.orders.domain.saga import state
from services.orders.domain.terms import Terms
from services.orders.store.held import Held
from services.orders.store.tables import order_timeline, orders
from shared.db.bulk import Row, Session
from shared.value_object import value_object

Name = tuple[str, str]
"""Channel and external id: how other systems name an order."""

EXPECTED = "expected"
"""The state of a row that is no order: a cancellation that came before it."""

_FACTS = TypeAdapter(Facts)
_DUE = (
    select(orders.c.id)
    .where(orders.c.deadline_at <= bindparam("until"))
    .order_by(orders.c.deadline_at)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True)
)
_LIGHT = (
    "id", "channel", "external_id", "version", "traceparent", "placed_at", "changed_at", "deadline_at", "currency",
    "total", "fingerprint", "facts",
)  # fmt: skip


@value_object
class Named:
    """A row found by its name; `body` is None while the order is only expected."""

    order_id: str
    fingerprint: str | None
    body: Mapping[str, Any] | None


class Orders:
    """The orders table and its timeline."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def claim(self, new: Sequence[Held], windows: Windows) -> set[Name]:
        """Insert new orders unless their names are taken; returns the names that were free.

        In the order of names, so that two batches claiming the same names cannot deadlock; a name that
        another transaction is claiming waits for its end.
        """
        ordered = sorted(new, key=name_of)
        rows = [_new_row(held, windows, self._session.now) for held in ordered]
        free = await self._session.insert(
            orders, rows, ignore_duplicates=True, returning=("channel", "external_id")
        )
        names = {(row["channel"], row["external_id"]) for row in free}
        await self._add_entries([held for held in ordered if name_of(held) in names])
        return names

    async def named(self, names: Collection[Name]) -> dict[Name, Named]:
        """What stands under these names, not locked: name, fingerprint and body never change once set."""
        rows = await self._session.fetch_pairs(orders, ("channel", "external_id"), sorted(set(names)))
        return {
            (row["channel"], row["external_id"]): Named(row["id"], row["fingerprint"], row["body"])
            for row in rows
        }

    async def hold(self, order_ids: Collection[str]) -> dict[str, Held]:
        """Lock these orders, in the order of their ids; whole while they are not confirmed."""
        ids = sorted(set(order_ids))
        rows = await self._session.fetch(orders, "id", ids, columns=_LIGHT, lock=True)
        held = {row["id"]: _held(row) for row in rows}
        unconfirmed = [key for key, one in held.items() if not one.order.confirmed and not one.expected]
        for row in await self._session.fetch(
            orders, "id", unconfirmed, columns=("id", "body", "reservation")
        ):
            held[row["id"]].body = row["body"]
            held[row["id"]].reservation = row["reservation"] or {}
        return held

    async def due(self, until: datetime, limit: int) -> list[str]:
        """Orders whose deadline may lie before `until`, locked; those that others hold are left for later."""
        rows = await self._session.execute(_DUE, {"until": until, "most": limit})
        return [row["id"] for row in rows]

    async def save(self, changed: Collection[Held], windows: Windows) -> None:
        """Write orders and their timelines: one statement for each set of columns."""
        now = self._session.now
        plain = [_row(held, windows, now) for held in changed if held.new_reservation is None]
        await self._session.update(orders, plain, key=("id",))
        reserved = [
            {**_row(held, windows, now), "reservation": held.new_reservation}
            for held in changed
            if held.new_reservation is not None
        ]
        await self._session.update(orders, reserved, key=("id",))
        await self._add_entries(changed)

    async def fill(self, arrived: Collection[Held], windows: Windows) -> None:
        """Write orders whose cancellation had been waiting for them."""
        rows = [_new_row(held, windows, self._session.now) for held in arrived]
        await self._session.update(orders, rows, key=("id",))
        await self._add_entries(arrived)

    async def _add_entries(self, changed: Collection[Held]) -> None:
        now = self._session.now
        rows = [
            {
                "order_id": held.order.terms.order_id,
                "sequence": entry.sequence,
                "at": now,
                "kind": entry.kind,
                "actor": entry.actor,
                "message_id": entry.message_id,
                "detail": entry.detail,
                "said": entry.said,
            }
            for held in changed
            for entry in held.entries
        ]
        await self._session.insert(order_timeline, rows)


def name_of(held: Held) -> Name:
    """How other systems name it."""
    return held.order.terms.channel, held.order.terms.external_id


def read_order(row: Row) -> Order:
    """Terms and facts of a row."""
    terms = Terms(
        row["id"], row["channel"], row["external_id"], row["currency"] or "", row["total"], row["placed_at"]
    )
    return Order(terms, _FACTS.validate_python(row["facts"]))


def _held(row: Row) -> Held:
    return Held(
        order=read_order(row),
        version=row["version"],
        trace=row["traceparent"] or "",
        changed_at=row["changed_at"],
        deadline_at=row["deadline_at"],
        expected=row["placed_at"] is None,
        fingerprint=row["fingerprint"],
    )


def _row(held: Held, windows: Windows, now: datetime) -> dict[str, Any]:
    order = held.order
    deadline = None if held.expected else next_deadline(order, windows)
    if deadline is not None and held.deadline_at is not None:
        deadline = min(deadline, held.deadline_at)
    money = order.balance
    return {
        "id": order.terms.order_id,
        "state": EXPECTED if held.expected else state(order).value,
        "version": held.version,
        # A deadline that gives way to the next is nothing that anybody has to hear of.
        "changed_at": now if held.entries else held.changed_at,
        "deadline_at": deadline,
        "is_open": not order.final and not held.expected,
        "needs_attention": needs_person(order),
        "captured": money.captured,
        "refunds": money.refunds,
        "facts": _FACTS.dump_json(order.facts, exclude_defaults=True),
    }


def _new_row(held: Held, windows: Windows, now: datetime) -> dict[str, Any]:
    terms = held.order.terms
    contact = held.body.get("contact", {})
    return {
        **_row(held, windows, now),
        "changed_at": now,
        "channel": terms.channel,
        "external_id": terms.external_id,
        "traceparent": held.trace,
        "placed_at": None if held.expected else terms.placed_at,
        "currency": terms.currency,
        "total": terms.total,
        "customer_name": contact.get("name"),
        "customer_email": contact.get("email", "").lower() or None,
        "fingerprint": held.fingerprint,
        "body": held.body or None,
    }
