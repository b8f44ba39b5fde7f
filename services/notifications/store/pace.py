"""The rate limit's one row."""

from datetime import datetime

from sqlalchemy import bindparam, select, update

from services.notifications.store.tables import pace
from shared.db.bulk import Session

_HOLD = select(pace.c.next_at).with_for_update()
_MOVE = update(pace).values(next_at=bindparam("moment"))


class Pace:
    """Queries on `pace`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def hold(self) -> datetime:
        """The first moment not given out yet; other processes wait until this transaction ends."""
        rows = await self._session.execute(_HOLD)
        next_at: datetime = rows[0]["next_at"]
        return next_at

    async def move(self, next_at: datetime) -> None:
        """Everything before `next_at` is given out."""
        await self._session.execute(_MOVE, {"moment": next_at})
