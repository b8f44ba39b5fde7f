"""JSON columns as `jsonb` keeps them: a copy, without what JSON cannot say, its keys in PostgreSQL's order."""

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
        order = _ORDERS.get(names)
        if order is None:
            # Shorter keys first, then by bytes: so jsonb keeps them, and so readers get them.
            order = _ORDERS[names] = tuple(
                sorted(names, key=lambda name: (len(name.encode()), name.encode()))
            )
            if len(_ORDERS) > 10_000:
                _ORDERS.clear()
        return {
            name: _in_order(value[name]) if value[name].__class__ in _NESTED else value[name]
            for name in order
        }
    if value.__class__ is list:
        return [_in_order(one) if one.__class__ in _NESTED else one for one in value]
    return value


_NESTED = frozenset({dict, list})
_ORDERS: dict[tuple[str, ...], tuple[str, ...]] = {}
