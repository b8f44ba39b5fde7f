"""What a change of a message's JSON Schema would break.

A topic is read by old and by new readers, and holds old and new messages. So an optional field may be
added, and nothing else may change: a removed field is missed by old readers, a required one is missing in
old messages, and any bound that moves refuses either the old or the new. What must change becomes a new
version beside the old one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_WORDS = frozenset({"title", "description", "examples", "$comment", "$schema", "$id", "$defs"})
"""What people read and no validator does. (Definitions are compared where they are used.)"""
_NONE = object()  # not None, which may be a default


def breaks(old: Schema, new: Schema) -> list[str]:
    """Each break with the path of its field, or an empty list if every reader can live with the change."""
    return list(_compare(old, new, old, new, ""))


def _compare(old: Schema, new: Schema, old_root: Schema, new_root: Schema, path: str) -> Iterator[str]:
    old, new = _resolve(old, old_root), _resolve(new, new_root)
    yield from _fields(old, new, old_root, new_root, path)
    for keyword in sorted((old.keys() | new.keys()) - _WORDS - {"properties", "required"}):
        before, after = old.get(keyword, _NONE), new.get(keyword, _NONE)
        if before is _NONE or after is _NONE:
            yield f"{path or '(body)'}: {keyword} {_shown(before)} -> {_shown(after)}"
        elif isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _compare(
                before, after, old_root, new_root, f"{path}[]" if keyword == "items" else path
            )
        elif keyword in ("anyOf", "oneOf", "allOf", "prefixItems") and len(before) == len(after):
            for one, other in zip(before, after, strict=True):
                yield from _compare(one, other, old_root, new_root, path)
        elif before != after:
            yield f"{path or '(body)'}: {keyword} {_shown(before)} -> {_shown(after)}"


def _fields(old: Schema, new: Schema, old_root: Schema, new_root: Schema, path: str) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    was_required, is_required = set(old.get("required", ())), set(new.get("required", ()))
    for name in sorted(before.keys() | after.keys()):
        place = f"{path}.{name}".lstrip(".")
        if name not in after:
            yield f"{place}: removed"
        elif name not in before:
            if name in is_required:
                yield f"{place}: added and required"
        elif (name in was_required) != (name in is_required):
            yield f"{place}: {'no longer' if name in was_required else 'now'} required"
        if name in before and name in after:
            yield from _compare(before[name], after[name], old_root, new_root, place)


def _resolve(schema: Schema, root: Schema) -> Schema:
    """The schema with a reference to a definition replaced by it."""
    reference = schema.get("$ref")
    if reference is None:
        return schema
    target: Any = root
    for part in reference.removeprefix("#/").split("/"):
        target = target[part]
    return {**_resolve(target, root), **{key: value for key, value in schema.items() if key != "$ref"}}


def _shown(value: Any) -> str:
    return "(none)" if value is _NONE else repr(value)
