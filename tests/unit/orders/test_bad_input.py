"""Input at the ends of what a text, a number or a moment can be: refused by field, never a fault of ours."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from services.orders.domain.validate import Policy
from services.orders.handlers.checking import faulty_fields_of
from services.orders.importing.command import _order
from services.orders.importing.records import Submitted, WrongFile, read
from services.orders.settings import Settings
from services.orders.store.listing import Filter, Listing
from shared.contracts.channels import OrderSubmitted
from shared.contracts.field_errors import field_errors
from shared.messaging.message import Refused
from tests.component.orders import world as say


def settings() -> Settings:
    return Settings(database_url="postgresql+psycopg://nobody@127.0.0.1/none")


def policy() -> Policy:
    return settings().policy


def test_numbers_too_long_to_print_are_refused_by_field() -> None:
    body: dict[str, Any] = say.body(say.order("huge"))
    body["lines"][0] |= {"quantity": 10**4_000, "unit_price": 10**4_000}
    with pytest.raises(ValueError) as broken:
        OrderSubmitted.model_validate(body, extra="forbid")
    fields = {error.field for error in faulty_fields_of(body, field_errors(broken.value), policy())}
    assert {"lines.0.quantity", "lines.0.unit_price"} <= fields


def test_an_empty_object_in_a_file_is_refused_with_its_reasons() -> None:
    refused = _order(Submitted((1,), {}), settings())
    assert isinstance(refused, Refused)
    assert {"channel", "external_id"} <= {error.field for error in refused.errors}


def test_a_badly_quoted_header_is_the_files_fault(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text('"channel"x,external_id\n')
    with pytest.raises(WrongFile, match="line 1"):
        list(read(file, lambda _: None))


@pytest.mark.parametrize(
    "edge", [{"placed_from": datetime(1, 1, 1, 12, tzinfo=timezone(timedelta(hours=-12)))},
             {"placed_before": datetime(9999, 12, 30, tzinfo=UTC)}],
)  # fmt: skip
async def test_the_first_and_the_last_moment_may_be_asked_for(edge: dict[str, datetime]) -> None:
    async def execute(query: object) -> list[Any]:
        return []

    session: Any = SimpleNamespace(execute=execute)
    assert await Listing(session).page(Filter(**edge), None, 1) == []
