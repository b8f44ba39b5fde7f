"""Lists in pages: each page says where the next begins, so rows that come and go do not shift it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Query
from fastapi.exceptions import RequestValidationError

from services.inventory.api.documents import Page

T = TypeVar("T")

After = Annotated[str | None, Query(max_length=1_000, description="`next` of the page before")]


def page(
    rows: Sequence[dict[str, Any]], limit: int, show: Callable[[dict[str, Any]], T], *key: str
) -> Page[T]:
    """A page of the first `limit` of `rows`, of which one more was asked for; `key` are the columns of its order."""
    more = len(rows) > limit
    position = [rows[limit - 1][name] for name in key] if more else None
    return Page(
        items=[show(row) for row in rows[:limit]], next=_token(position) if position is not None else None
    )


def position(after: str | None, *types: type) -> tuple[Any, ...] | None:
    """The position a token stands for; a 422 for one that is not ours."""
    if after is None:
        return None
    try:
        found = orjson.loads(urlsafe_b64decode(after.encode()))
    except (Error, ValueError):
        found = None
    ours = isinstance(found, list) and [type(part) for part in found] == list(types)
    if not ours or not all(_can_be_asked_for(part) for part in found):
        problem = {
            "loc": ("query", "after"),
            "msg": "is not the `next` of a page of this list",
            "type": "value_error",
        }
        raise RequestValidationError([problem])
    return tuple(found)


def _can_be_asked_for(part: Any) -> bool:
    """What PostgreSQL can compare with: 64 bits, and text without NUL."""
    return "\x00" not in part if isinstance(part, str) else -(2**63) <= part < 2**63


def _token(position: list[Any]) -> str:
    return urlsafe_b64encode(orjson.dumps(position)).decode()
