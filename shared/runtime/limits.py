"""How much may be asked of a process: a rate per client, and intake that pauses while work piles up."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Depends
from starlette.exceptions import HTTPException

_MOST_CLIENTS = 10_000
RETRY_SECONDS = 5


class ClientRate:
    """So many requests per second and client on average, after a burst.

    One number per client: when its requests so far would be worked off at that rate. Memory is bounded; of too
    many clients those that have been quiet longest are forgotten, which only allows them a new burst.
    """

    def __init__(
        self,
        per_second: float,
        burst: int,
        *,
        header: str | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spacing = 1 / per_second
        self._ahead = burst / per_second
        self._header = header.lower().encode() if header else None
        self._clock = clock
        self._worked_off: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._worked_off)

    def client(self, headers: Mapping[bytes, bytes], address: str) -> str:
        """Who asks: by the header that a gateway sets if one is agreed on, else by address."""
        named = headers.get(self._header) if self._header is not None else None
        return named.decode("latin-1")[:200] if named else address

    def wait(self, client: str) -> float:
        """Counts a request and returns 0 when it may pass, else in how many seconds the next one may."""
        now = self._clock()
        end = max(now, self._worked_off.pop(client, now)) + self._spacing
        too_early = end - self._ahead - now
        if too_early > 1e-9:
            end -= self._spacing
        self._worked_off[client] = (
            end  # Always last: the dictionary stays sorted by when a client last asked.
        )
        if len(self._worked_off) > _MOST_CLIENTS:
            del self._worked_off[next(iter(self._worked_off))]
        return max(0.0, too_early) if too_early > 1e-9 else 0.0


def intake(overload: Callable[[], str | None]) -> Any:
    """For `dependencies=` of a route by which new work comes in: answers 429 while `overload` gives a reason.

    What people do to work that is already there is not held up: it makes the pile smaller.
    """

    async def not_overloaded() -> None:
        reason = overload()
        if reason is not None:
            raise HTTPException(
                429, f"{reason}. Nothing was taken; try again later.", {"Retry-After": str(RETRY_SECONDS)}
            )

    return Depends(not_overloaded)
