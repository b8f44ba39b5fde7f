"""Mended copies of messages: one field, a header, or the whole body."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from shared.messaging.decode import Record
from shared.runtime.console import Problem, printable

_IDENTITY = ("ce_id", "ce_source")


def edited(record: Record, body: bytes | None, fields: Sequence[str], headers: Sequence[str]) -> Record:
    """The message with a whole new body, single fields (FIELD=VALUE) and headers (NAME=VALUE) changed, in this order.

    Raises Problem for what cannot be changed so.
    """
    if body is not None:
        record = replace(record, body=body)
    for assignment in fields:
        record = replace(record, body=_with_field(record.body, assignment))
    for assignment in map(printable, headers):
        name, given, value = assignment.partition("=")
        if not name or not given:
            raise Problem(
                f"--header {assignment}: no header is named", "write NAME=VALUE, or NAME= to remove it"
            )
        kept = [(known, text) for known, text in record.headers if known != name]
        record = replace(record, headers=[*kept, *([(name, value.encode())] if value else [])])
    return record


def _with_field(body: bytes | None, assignment: str) -> bytes:
    path, given, value = assignment.partition("=")
    if not path or not given:
        raise Problem(f"--set {assignment}: no field is named", "write FIELD=VALUE, e.g. lines.0.quantity=2")
    try:
        # Not orjson: numbers beyond 64 bits must come out as they went in.
        document = json.loads(body or b"")
    except (ValueError, RecursionError):
        raise Problem(
            "the body is not JSON, so it has no fields", "give the whole body: --body FILE"
        ) from None
    *parents, last = path.split(".")
    place = document
    try:
        for name in parents:
            place = place[int(name)] if isinstance(place, list) else place[name]
        if isinstance(place, list):
            place[int(last)] = _value(value)
        else:
            place[last] = _value(value)
    except (KeyError, IndexError, ValueError, TypeError):
        raise Problem(
            f"--set {assignment}: the body has no such place", "`dead-letters show` shows its fields"
        ) from None
    return json.dumps(document, separators=(",", ":")).encode()


def _value(text: str) -> Any:
    # What reads as JSON is meant so; anything else is a text.
    try:
        return json.loads(text)
    except ValueError:
        return text


def refuse_other_identity(original: Record, changed: Record) -> None:
    """Raises Problem where the copy would be another message to the inbox."""
    before, after = headers_of(original), headers_of(changed)
    for name in _IDENTITY:
        if before.get(name) and before[name] != after.get(name):
            raise Problem(
                f"{name} may not change: the inbox knows this message by it and could not tell that it was handled",
                "leave it as it is",
            )


def text_of(value: bytes | None, *, strict: bool = False) -> str | None:
    """Bytes as text; what is not UTF-8 is escaped, or None when `strict`."""
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None if strict else value.decode(errors="backslashreplace")


def headers_of(record: Record) -> dict[str, str | None]:
    """Readable headers by name; one that is not UTF-8 counts as missing."""
    return {name or "": text_of(value, strict=True) for name, value in record.headers}
