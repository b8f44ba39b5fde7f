"""Turning good documents into bad ones, from a seed: the same seed makes the same bytes."""

import json
from collections.abc import Callable
from random import Random
from typing import Any


class Raw(str):
    """A piece of JSON as it stands, which no serializer would write."""


TEXTS = (
    "", " ", "\x00", "a\x00b", "\x01\x1b[31m\x7f", "\r\nBcc: all@evil.example\r\n\r\nHello", "\u2028\u2029", "\u0085",
    "שלום עולם", "مرحبا \u0661\u0662", "\u202egnp.exe", "\u2066x\u2069\u200f", "中文 山田 김철수", "Ze\u0301ro\u200d",
    "🎁" * 30, "Z\u0300\u0301\u0302\u0303\u0304\u0305\u0306" * 8, "\ufeff", "\uffff", "\U0010ffff", "İıßſ",
    "{{ 7*191 }}", "{% for x in range(10**9) %}{% endfor %}", "{{ ''.__class__.__mro__ }}", "${7*191}", "#{7*191}",
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"><svg/onload=alert(1)>", "javascript:alert(1)",
    "]]>", "&lt;b&gt;", "=?utf-8?q?x=0D=0ABcc:=20a=40evil.example?=", "a@b.example, c@evil.example", "<a@b>", "\"",
    "'; DROP TABLE orders; --", "%s%n%d", "%00", "../../../../etc/passwd", "=HYPERLINK(\"http://evil\")", "^XZ^XA",
    "~DG", "\\", "\\u0000", "null", "true", "NaN", "0x10", "1e999", "-1", "9" * 40, "a" * 65, "a" * 201, "ä" * 255,
    "a" * 4_001, "2026-13-45T99:99:99Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "2026-01-01T00:00:00",
    "1969-12-31T23:59:59+14:00", "EUR", "XXX", "de_DE", "../en", "order.placed.v1",
)  # fmt: skip
"""Text that has broken something somewhere. All of it can be written as UTF-8."""

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**30, 10**400,
    1.5, -0.0, 1e308, 5e-324, 0.1, [], {}, [[]], [None], {"": ""}, {"__proto__": {"a": 1}},
    Raw("NaN"), Raw("Infinity"), Raw("-Infinity"), Raw("1e400"), Raw("-1e400"), Raw("00"), Raw("0x1f"), Raw("1."),
    Raw("9" * 5_000), Raw("-" + "9" * 700 + ".5"), Raw('"\\ud800"'), Raw('"\\udfff\\ud800"'), Raw('"a\\u0000b"'),
    Raw('"\\x"'), Raw("'a'"), Raw("undefined"), Raw("[" * 200 + "]" * 200), Raw("[" * 20_000 + "]" * 20_000),
    Raw('{"a":' * 1_000 + "1" + "}" * 1_000), Raw('{"a":1,"a":2}'),
)  # fmt: skip
"""What stands where something else should. Some of it is no JSON."""

Path = tuple[str | int, ...]


def to_json(value: Any) -> str:
    """As JSON, `Raw` as it stands."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{to_json(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(to_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def paths(value: Any, here: Path = ()) -> list[Path]:
    """The place of every value inside a document, itself not included."""
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))  # type: ignore[arg-type]
    else:
        return []
    return [place for name, item in inside for place in ((*here, name), *paths(item, (*here, name)))]


def replaced(value: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    """A copy in which the value at a place is another."""
    if not path:
        return change(value)
    first, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {name: replaced(item, rest, change) if name == first else item for name, item in value.items()}
    return [replaced(item, rest, change) if index == first else item for index, item in enumerate(value)]


class Mutator:
    """A source of bad input."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def text(self) -> str:
        """A hostile text."""
        if self.random.random() < 0.15:
            return "".join(
                chr(self.random.choice(_POINTS)(self.random)) for _ in range(self.random.randint(1, 40))
            )
        return self.random.choice(TEXTS)

    def value(self, instead_of: Any = None) -> Any:
        """Something else than what stood there."""
        kind = self.random.random()
        if isinstance(instead_of, str) and kind < 0.6:
            return self.text() if kind < 0.45 else instead_of + self.text()
        if isinstance(instead_of, int) and not isinstance(instead_of, bool) and kind < 0.4:
            # What an earlier change made too large for a float comes as the float of its last bits.
            real = float(instead_of % 2**64)
            return self.random.choice((-instead_of, instead_of + 1, str(instead_of), real, 0, 10**12, 2**63))
        return self.random.choice(VALUES) if kind < 0.8 else self.text()

    def document(self, value: Any, most: int = 3) -> Any:
        """A copy with one to `most` things wrong with it, or nothing that anybody would notice."""
        for _ in range(self.random.randint(1, most)):
            places = paths(value)
            if not places:
                return self.value(value)
            place = self.random.choice(places)
            value = self.random.choice(_CHANGES)(self, value, place)
        return value

    def body(self, value: Any) -> bytes:
        """A document, changed, as bytes; now and then they are damaged, too."""
        text = to_json(self.document(value) if self.random.random() < 0.9 else value)
        body = text.encode("utf-8", "surrogatepass")
        return self.damaged(body) if self.random.random() < 0.25 else body

    def damaged(self, body: bytes) -> bytes:
        """Bytes with a fault that has nothing to do with what they say."""
        return self.random.choice(_DAMAGES)(self.random, body)


def _drop(_: Mutator, value: Any, place: Path) -> Any:
    def without(parent: Any) -> Any:
        if isinstance(parent, dict):
            return {name: item for name, item in parent.items() if name != place[-1]}
        return [item for index, item in enumerate(parent) if index != place[-1]]

    return replaced(value, place[:-1], without)


def _rename(mutator: Mutator, value: Any, place: Path) -> Any:
    def renamed(parent: Any) -> Any:
        if isinstance(parent, dict):
            return {(mutator.text() if name == place[-1] else name): item for name, item in parent.items()}
        return parent

    return replaced(value, place[:-1], renamed)


def _other(mutator: Mutator, value: Any, place: Path) -> Any:
    return replaced(value, place, mutator.value)


def _wrap(mutator: Mutator, value: Any, place: Path) -> Any:
    return replaced(value, place, lambda item: [item] if mutator.random.random() < 0.5 else {"value": item})


def _grow(mutator: Mutator, value: Any, place: Path) -> Any:
    """More entries than allowed, each with the ids of its own that it needs to be believed."""
    times = mutator.random.choice((2, 2, 30, 101, 1_001, 1_101))

    def grown(item: Any) -> Any:
        if not isinstance(item, list) or not item:
            return [item] * min(times, 30)
        return [
            {name: f"{part}-{n}"[:40] if name.endswith("_id") and n else part for name, part in one.items()}
            if isinstance(one, dict)
            else one
            for n in range(times)
            for one in item[:1]
        ]

    lists = [each for each in paths(value) if isinstance(_at(value, each), list)]
    return replaced(value, mutator.random.choice(lists) if lists else place, grown)


def _add(mutator: Mutator, value: Any, place: Path) -> Any:
    def more(parent: Any) -> Any:
        return {**parent, mutator.text(): mutator.value()} if isinstance(parent, dict) else parent

    return replaced(value, place[:-1], more)


def _swap(mutator: Mutator, value: Any, place: Path) -> Any:
    other = _at(value, mutator.random.choice(paths(value)))
    return replaced(value, place, lambda _: other)


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


_CHANGES = (_other, _other, _other, _other, _other, _other, _drop, _rename, _wrap, _add, _swap, _grow)

_POINTS: tuple[Callable[[Random], int], ...] = (
    lambda random: random.randint(0, 0x1F),
    lambda random: random.randint(0x20, 0x7E),
    lambda random: random.randint(0x80, 0x7FF),
    lambda random: random.randint(0x590, 0x6FF),
    lambda random: random.randint(0x2000, 0x206F),
    lambda random: random.randint(0xE000, 0xFFFF),
    lambda random: random.randint(0x10000, 0x10FFFF),
)


def _cut(random: Random, body: bytes) -> bytes:
    return body[: random.randint(0, len(body))]


def _flip(random: Random, body: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(random.randint(1, 8)):
        if changed:
            changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


_DAMAGES: tuple[Callable[[Random, bytes], bytes], ...] = (
    _cut,
    _flip,
    _flip,
    lambda _, body: b"\xef\xbb\xbf" + body,
    lambda _, body: body + b"\x00",
    lambda _, body: body + body,
    lambda _, body: body.replace(b'"', b'"\xff', 1),
    lambda _, body: body.decode("utf-8", "replace").encode("utf-16"),
    lambda _, body: b"[" + body + b"]",
    lambda _, body: body + b" " * 5_000,
    lambda random, _: random.randbytes(random.randint(0, 300)),
    lambda _, __: b"",
    lambda _, __: b"null",
    lambda _, __: b"\x1f\x8b\x08\x00" + b"\x00" * 40,
)
