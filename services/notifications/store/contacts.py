"""Contacts: the row under which everything about telling one order's customer is decided."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from psycopg.errors import SerializationFailure
from sqlalchemy import delete, exists, select

from services.notifications.domain.contact import Contact
from services.notifications.store.tables import contacts, deliveries
from shared.db.bulk import Session

_COLUMNS = (
    "order_id", "traceparent", "known", "email", "name", "locale", "channel", "external_id", "titles", "version",
)  # fmt: skip


class Contacts:
    """Queries on `contacts`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._held: dict[str, Contact] = {}
        self._unwritten: set[str] = set()

    async def hold(self, traces: Mapping[str, str]) -> dict[str, Contact]:
        """The contacts of these orders (order id -> traceparent), locked; unknown ones where there were none.

        The lock is what makes an event and its order's contact meet, whichever comes first. What is held has to
        be given to `save`, which writes the row of an order heard of for the first time once and whole.
        """
        rows = await self._session.fetch(contacts, "order_id", traces, columns=_COLUMNS, lock=True)
        self._held = {row["order_id"]: Contact(**row) for row in rows}
        self._unwritten = traces.keys() - self._held.keys()
        return self._held | {order_id: Contact(order_id, traces[order_id]) for order_id in self._unwritten}

    async def save(self, held: Mapping[str, Contact]) -> None:
        """Write what became of the contacts that were held.

        Raises SerializationFailure, after which the transaction is tried again, if another process wrote one
        meanwhile that nobody had heard of: an event and its contact would miss each other.
        """
        new = [
            {**_row(held[order_id]), "created_at": self._session.now} for order_id in sorted(self._unwritten)
        ]
        written = await self._session.insert(contacts, new, ignore_duplicates=True, returning=("order_id",))
        if len(written) < len(new):
            raise SerializationFailure("an order was first heard of by two processes at once")
        changed = [_row(held[order_id]) for order_id, was in self._held.items() if held[order_id] is not was]
        await self._session.update(contacts, changed, key=("order_id",))

    async def find(self, order_ids: Collection[str]) -> dict[str, Contact]:
        """The contacts of these orders, for reading."""
        rows = await self._session.fetch(contacts, "order_id", order_ids, columns=_COLUMNS)
        return {row["order_id"]: Contact(**row) for row in rows}

    async def purge(self, age: timedelta, limit: int) -> int:
        """Delete contacts older than `age` about whom no delivery is left; at most `limit`, returns how many."""
        still_told = exists().where(deliveries.c.order_id == contacts.c.order_id)
        old = (
            select(contacts.c.order_id)
            .where(contacts.c.created_at < self._session.now - age, ~still_told)
            .order_by(contacts.c.created_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        gone = delete(contacts).where(contacts.c.order_id.in_(old)).returning(contacts.c.order_id)
        return len(await self._session.execute(gone))


def _row(contact: Contact) -> dict[str, Any]:
    return {name: getattr(contact, name) for name in _COLUMNS}
