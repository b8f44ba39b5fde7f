"""Contacts: the row under which everything about telling one order's customer is decided."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

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

    async def hold(self, traces: Mapping[str, str]) -> dict[str, Contact]:
        """The contacts of these orders (order id -> traceparent), locked; unknown ones where there were none.

        The lock is what makes an event and its order's contact meet, whichever comes first: one of the two
        transactions waits for the other and then sees what it wrote.
        """
        found = await self._lock(traces)
        missing = sorted(traces.keys() - found.keys())
        rows = [
            {**_row(Contact(order_id, traces[order_id])), "created_at": self._session.now}
            for order_id in missing
        ]
        written = await self._session.insert(contacts, rows, ignore_duplicates=True, returning=_COLUMNS)
        found |= {row["order_id"]: Contact(**row) for row in written}
        return found | await self._lock(traces.keys() - found.keys())

    async def _lock(self, order_ids: Collection[str]) -> dict[str, Contact]:
        rows = await self._session.fetch(contacts, "order_id", order_ids, columns=_COLUMNS, lock=True)
        return {row["order_id"]: Contact(**row) for row in rows}

    async def update(self, changed: Sequence[Contact]) -> None:
        """Write contacts that the caller holds."""
        await self._session.update(contacts, [_row(contact) for contact in changed], key=("order_id",))

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
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        gone = delete(contacts).where(contacts.c.order_id.in_(old)).returning(contacts.c.order_id)
        return len(await self._session.execute(gone))


def _row(contact: Contact) -> dict[str, Any]:
    return {name: getattr(contact, name) for name in _COLUMNS}
