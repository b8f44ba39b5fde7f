"""Whoever sends something faulty reads which field, what is wrong, and what would be right."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from shared.contracts.channels import OrderSubmitted
from shared.contracts.field_errors import field_errors


class Parcel(BaseModel):
    """Every kind of bound that our contracts use."""

    model_config = ConfigDict(extra="forbid")

    count: Annotated[int, Field(ge=1, le=9)] = 1
    name: Annotated[str, Field(min_length=2, max_length=4, pattern="^[a-z]*$")] = "abc"
    kind: Literal["box", "bag"] = "box"
    fragile: bool = False
    at: AwareDatetime | None = None
    lines: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1, max_length=2)] = (1,)
    weights: dict[str, float] = {}
    inner: "Parcel | None" = None


@pytest.mark.parametrize(
    ("body", "field", "problem", "remedy"),
    [
        ({"count": 0}, "count", "greater than or equal to 1", "send at least 1"),
        ({"count": 10}, "count", "less than or equal to 9", "send at most 9"),
        ({"count": "x"}, "count", "valid integer", "send a whole number; money is in minor units"),
        ({"count": 1.5}, "count", "valid integer", "send a whole number; money is in minor units"),
        ({"count": None}, "count", "valid integer", "send a whole number; money is in minor units"),
        ({"name": "a"}, "name", "at least 2", "send at least 2 character(s)"),
        ({"name": "abcde"}, "name", "at most 4", "send at most 4 characters"),
        ({"name": "A1"}, "name", "match", "send what matches ^[a-z]*$"),
        ({"name": 7}, "name", "valid string", "send a text"),
        ({"kind": "tube"}, "kind", "'box' or 'bag'", "send 'box' or 'bag'"),
        ({"fragile": "perhaps"}, "fragile", "boolean", "send true or false"),
        ({"at": "soon"}, "at", "datetime", "e.g. 2026-01-31T12:00:00Z"),
        ({"at": "2026-01-31T12:00:00"}, "at", "timezone", "add an offset, e.g. 2026-01-31T12:00:00Z"),
        ({"lines": []}, "lines", "has 0 entries", "send at least 1"),
        ({"lines": [1, 2, 3]}, "lines", "has 3 entries", "send at most 2"),
        ({"lines": 5}, "lines", "is not an array", "send an array"),
        ({"weights": [1]}, "weights", "is not an object", "send an object"),
        ({"weights": {"a": "heavy"}}, "weights.a", "number", "send a number"),
        ({"inner": 5}, "inner", "is not an object", "send an object"),
        ({"inner": {"count": 0}}, "inner.count", "greater than", "send at least 1"),
        ({"weight_grams": 5}, "weight_grams", "is not known here", "remove this field, or correct its name"),
    ],
)
def test_a_fault_names_the_field_the_problem_and_the_remedy(
    body: dict[str, Any], field: str, problem: str, remedy: str
) -> None:
    with pytest.raises(ValidationError) as raised:
        Parcel.model_validate(body)
    [fault] = field_errors(raised.value)
    assert fault.field == field
    assert problem in fault.problem and remedy in fault.remedy
    assert not any(word in fault.problem.lower() for word in ("tuple", "dictionary", "value error"))


def test_a_list_is_not_called_too_short_because_of_faulty_entries() -> None:
    with pytest.raises(ValidationError) as raised:
        Parcel.model_validate({"lines": [-1]})
    assert [fault.field for fault in field_errors(raised.value)] == ["lines.0"]


def test_every_fault_of_an_order_has_a_remedy() -> None:
    body = {
        "channel": "",
        "external_id": 5,
        "currency": "EURO",
        "placed_at": "yesterday",
        "customer": {"email": "x" * 400},
        "lines": [
            {"line_id": "1", "sku": "A", "quantity": -1, "unit_price": "x", "total": 1.5, "colour": "red"},
            7,
        ],
        "total": 10**30,
    }
    with pytest.raises(ValidationError) as raised:
        OrderSubmitted.model_validate(body)
    faults = field_errors(raised.value)
    assert {"channel", "external_id", "currency", "address", "lines.0.quantity", "lines.1", "total"} <= {
        fault.field for fault in faults
    }
    assert [fault for fault in faults if not fault.remedy] == []


def test_no_more_than_a_hundred_are_named_and_no_value_is_quoted() -> None:
    with pytest.raises(ValidationError) as raised:
        Parcel.model_validate({"weights": {f"w{number}": "a secret" for number in range(500)}})
    faults = field_errors(raised.value)
    assert len(faults) == 100
    assert "secret" not in str(faults)
