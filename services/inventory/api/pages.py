"""Lists in pages: each page says where the next begins, so rows that come and go do not shift it."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query
from fastapi.exceptions import RequestValidationError

from services.inventory.api.documents import Page

T = TypeVar("T")

After = Annotated[str | None, Query(description="`next` of the page before")]


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
        found = json.loads(urlsafe_b64decode(after.encode()))
    except (Error, ValueError):
        found = None
    if not isinstance(found, list) or [type(part) for part in found] != list(types):
        problem = {
            "loc": ("query", "after"),
            "msg": "is not the `next` of a page of this list",
            "type": "value_error",
        }
        raise RequestValidationError([problem])
    return tuple(found)


def _token(position: list[Any]) -> str:
    return urlsafe_b64encode(json.dumps(position).encode()).decode()
