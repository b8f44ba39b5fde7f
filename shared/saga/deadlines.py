"""Deadlines count from what was read, not from the wall clock.

After an outage the answer that arrived in time is still unread; a deadline that fired by the clock
would cancel an order whose answer only waits. So a deadline fires when the service has consumed
everything it was sent before it.
"""

from datetime import datetime

from sqlalchemy import column, func, select, table

from shared.db.bulk import Session

_PROGRESS = table("progress", column("consumed_until"))
_LEAST = select(func.min(_PROGRESS.c.consumed_until).label("until"))


async def consumed_until(session: Session) -> datetime | None:
    """The moment up to which this service has consumed all its topics, or None before it ever read any.

    A lower bound: every message the broker appended before it has been handled.
    """
    rows = await session.execute(_LEAST)
    until: datetime | None = rows[0]["until"]
    return min(until, session.now) if until else None
