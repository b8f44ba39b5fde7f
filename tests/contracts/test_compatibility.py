"""What breaks readers is found; what does not is let through."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, create_model

from shared.contracts.compatibility import breaks
from shared.contracts.registry import MODELS


class Inner(BaseModel):
    sku: str
    note: str = ""


class Old(BaseModel):
    """An order."""

    id: Annotated[str, Field(max_length=40)]
    amount: int
    kind: Literal["a", "b"] = "a"
    title: str | None = None
    inner: Inner
    lines: tuple[Inner, ...] = ()


def changed(**fields: Any) -> list[str]:
    """What breaks when these fields of Old change, are added, or (None) removed."""
    kept = {name: (field.annotation, field) for name, field in Old.model_fields.items()} | fields
    model = create_model("New", **{name: field for name, field in kept.items() if field is not None})
    return breaks(Old.model_json_schema(), model.model_json_schema())


class InnerWithMore(BaseModel):
    sku: str
    note: str = ""
    colour: str | None = None


class InnerRequired(BaseModel):
    sku: str
    note: str


class InnerWithout(BaseModel):
    note: str = ""


def test_nothing_changed() -> None:
    assert changed() == []


@pytest.mark.parametrize(
    "fields",
    [
        {"colour": (str | None, None)},
        {"tags": (tuple[str, ...], ())},
        {"inner": (InnerWithMore, ...)},
        {"lines": (tuple[InnerWithMore, ...], ())},
        {
            "id": (
                Annotated[str, Field(max_length=40, description="words", title="Words", examples=["1"])],
                ...,
            )
        },
    ],
)
def test_optional_fields_and_words_may_be_added(fields: dict[str, Any]) -> None:
    assert changed(**fields) == []


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"amount": None}, "amount: removed"),
        ({"title": None}, "title: removed"),
        ({"colour": (str, ...)}, "colour: added and required"),
        ({"amount": (int, 0)}, "amount: no longer required"),
        ({"title": (str | None, ...)}, "title: now required"),
        ({"amount": (str, ...)}, "amount: type 'integer' -> 'string'"),
        ({"id": (Annotated[str, Field(max_length=50)], ...)}, "id: maxLength 40 -> 50"),
        ({"id": (Annotated[str, Field(max_length=30)], ...)}, "id: maxLength 40 -> 30"),
        ({"id": (str, ...)}, "id: maxLength 40 -> (none)"),
        ({"amount": (Annotated[int, Field(ge=0)], ...)}, "amount: minimum (none) -> 0"),
        ({"kind": (Literal["a", "b", "c"], "a")}, "kind: enum ['a', 'b'] -> ['a', 'b', 'c']"),
        ({"kind": (Literal["a", "b"], "b")}, "kind: default 'a' -> 'b'"),
        ({"title": (int | None, None)}, "title: type 'string' -> 'integer'"),
        ({"inner": (InnerRequired, ...)}, "inner.note: now required"),
        ({"inner": (InnerWithout, ...)}, "inner.sku: removed"),
        ({"lines": (tuple[InnerWithout, ...], ())}, "lines[].sku: removed"),
        ({"lines": (Inner, ...)}, "lines: type 'array' -> 'object'"),
    ],
)
def test_everything_else_breaks(fields: dict[str, Any], found: str) -> None:
    assert found in changed(**fields)


@pytest.mark.parametrize("ce_type", sorted(MODELS))
def test_removing_any_field_of_any_message_is_found(ce_type: str) -> None:
    old = MODELS[ce_type].model_json_schema()
    for name in old["properties"]:
        rest = {key: value for key, value in old["properties"].items() if key != name}
        new = {**old, "properties": rest, "required": [key for key in old["required"] if key != name]}
        assert breaks(old, new) == [f"{name}: removed"]
        assert breaks(new, old) == ([f"{name}: added and required"] if name in old["required"] else [])
