"""JSON columns as `jsonb` keeps them: a copy, without what JSON cannot say, its keys in PostgreSQL's order."""

from functools import lru_cache
from typing import Any

import orjson


class Document:
    """One value of a JSON column."""

    __slots__ = ("_ordered", "_text")

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._ordered = False

    @classmethod
    def of(cls, value: Any) -> "Document":
        """As it is written: a value, or bytes that are JSON already."""
        return cls(value if isinstance(value, bytes) else orjson.dumps(value))

    def read(self) -> Any:
        """A fresh copy, as it is read."""
        value = orjson.loads(self._text)
        if not self._ordered:
            value = _in_order(value)
            self._text, self._ordered = orjson.dumps(value), True
        return value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Document) and self.read() == other.read()

    def __hash__(self) -> int:
        raise TypeError("documents are no keys")


def _in_order(value: Any) -> Any:
    if value.__class__ is dict:
        names = tuple(value)
        order = _order(names)
        if order != names:
            value = {name: value[name] for name in order}
        for name, one in value.items():
            if one.__class__ in _NESTED:
                value[name] = _in_order(one)
    elif value.__class__ is list:
        value = [_in_order(one) if one.__class__ in _NESTED else one for one in value]
    return value


@lru_cache(maxsize=10_000)
def _order(names: tuple[str, ...]) -> tuple[str, ...]:
    # Shorter keys first, then by bytes: so jsonb keeps them, and so readers get them.
    return tuple(sorted(names, key=lambda name: (len(name.encode()), name.encode())))


_NESTED = frozenset({dict, list})
