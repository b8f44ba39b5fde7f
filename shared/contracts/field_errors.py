"""What is wrong with each field of a message or request, and what would be right."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from shared.contracts.envelope import FieldError

Fault = Mapping[str, Any]
"""One error as pydantic tells it: `type`, `loc`, `msg` and, if it has bounds, `ctx`."""


def field_errors(error: ValidationError) -> tuple[FieldError, ...]:
    """All faulty fields of a contract, each with its path, the problem in words of JSON, and the remedy.

    Never quotes a value: it may be personal data. At most 100 are named.
    """
    return in_words(error.errors(include_url=False, include_input=False))


def in_words(faults: Sequence[Fault], *, within: str = "") -> tuple[FieldError, ...]:
    """The same of faults as a framework collected them; `within` is the first step of paths that is left out."""
    return tuple(
        FieldError(
            field=_path(fault, within)[:200], problem=_problem(fault)[:400], remedy=_remedy(fault)[:400]
        )
        for fault in _own(faults)[:100]
    )


def _own(faults: Sequence[Fault]) -> list[Fault]:
    """Without lists called too short only because their faulty entries were left out of the count."""
    above = {tuple(fault["loc"])[:depth] for fault in faults for depth in range(len(fault["loc"]))}
    return [fault for fault in faults if fault["type"] != "too_short" or tuple(fault["loc"]) not in above]


def _path(fault: Fault, within: str) -> str:
    if fault["type"] == "json_invalid":
        return "(body)"  # Its location is a character.
    steps = tuple(fault["loc"])
    if within and steps[:1] == (within,):
        steps = steps[1:]
    return ".".join(str(step) for step in steps) or "(body)"


def _problem(fault: Fault) -> str:
    context = fault.get("ctx") or {}
    if fault["type"] in ("too_short", "too_long"):
        return f"has {context.get('actual_length', 'too many')} entries"
    return _PROBLEMS.get(fault["type"]) or str(fault["msg"]).removeprefix("Value error, ")


def _remedy(fault: Fault) -> str:
    remedy = _REMEDIES.get(fault["type"], "")
    if "{" not in remedy:
        return remedy
    try:
        return remedy.format(**fault.get("ctx") or {})
    except KeyError:  # Raised by one of our own rules, which says no bounds.
        return ""


_PROBLEMS = {
    "tuple_type": "is not an array",
    "list_type": "is not an array",
    "frozen_set_type": "is not an array",
    "set_type": "is not an array",
    "dict_type": "is not an object",
    "mapping_type": "is not an object",
    "model_type": "is not an object",
    "model_attributes_type": "is not an object",
    "extra_forbidden": "is not known here",
    "missing": "is missing",
}
"""Where pydantic speaks of Python."""

_WHOLE = "send a whole number; money is in minor units"
_NUMBER = "send a number"
_TEXT = "send a text"
_TRUTH = "send true or false"
_MOMENT = "send a date and time with an offset, e.g. 2026-01-31T12:00:00Z"
_DAY = "send a date, e.g. 2026-01-31"
_ARRAY = "send an array"
_OBJECT = "send an object"

_REMEDIES = {
    "missing": "add this field",
    "extra_forbidden": "remove this field, or correct its name",
    "json_invalid": "send valid JSON in UTF-8",
    "json_type": "send valid JSON in UTF-8",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": "send a number of at most 64 bits",
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "greater_than": "send more than {gt}",
    "greater_than_equal": "send at least {ge}",
    "less_than": "send less than {lt}",
    "less_than_equal": "send at most {le}",
    "multiple_of": "send a multiple of {multiple_of}",
    "string_type": _TEXT,
    "string_sub_type": _TEXT,
    "string_unicode": "send text in UTF-8",
    "string_too_short": "send at least {min_length} character(s)",
    "string_too_long": "send at most {max_length} characters",
    "string_pattern_mismatch": "send what matches {pattern}",
    "bool_type": _TRUTH,
    "bool_parsing": _TRUTH,
    "literal_error": "send {expected}",
    "enum": "send {expected}",
    "datetime_type": _MOMENT,
    "datetime_parsing": _MOMENT,
    "datetime_from_date_parsing": _MOMENT,
    "datetime_object_invalid": _MOMENT,
    "timezone_aware": "add an offset, e.g. 2026-01-31T12:00:00Z",
    "date_type": _DAY,
    "date_parsing": _DAY,
    "date_from_datetime_parsing": _DAY,
    "date_from_datetime_inexact": _DAY,
    "too_short": "send at least {min_length}",
    "too_long": "send at most {max_length}",
    "tuple_type": _ARRAY,
    "list_type": _ARRAY,
    "set_type": _ARRAY,
    "frozen_set_type": _ARRAY,
    "dict_type": _OBJECT,
    "mapping_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "uuid_type": "send a UUID",
    "uuid_parsing": "send a UUID",
    "union_tag_invalid": "send {expected_tags}",
    "union_tag_not_found": "add {discriminator}",
}
