"""Log lines: their shape, whoever wrote them, and that no secret and no person is in them."""

import io
import json
import logging as stdlib
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr, ValidationError

from shared.telemetry import logging as logs

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
CANARY = "c4n4ry"


class Out:
    """What was written."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def line(self) -> dict[str, Any]:
        (only,) = self.lines
        return only


@pytest.fixture
def out() -> Iterator[Out]:
    root = stdlib.getLogger()
    handlers, level, hook = root.handlers[:], root.level, sys.excepthook
    libraries = {name: stdlib.getLogger(name).level for name in logs._LIBRARIES}
    out = Out()
    logs.configure("orders", "INFO", stream=out.stream)
    yield out
    logs.clear()
    stdlib.captureWarnings(False)
    stdlib.raiseExceptions = True
    root.handlers[:], sys.excepthook = handlers, hook
    root.setLevel(level)
    for name, old in libraries.items():
        stdlib.getLogger(name).setLevel(old)
    structlog.reset_defaults()


# --- Shape -----------------------------------------------------------------------------------------------


def test_a_line_says_when_what_and_who(out: Out) -> None:
    logs.get_logger("relay").warning("outbox stalled", shard=3, age_seconds=7.5)
    line = out.line
    assert list(line)[:4] == ["time", "level", "service", "event"]
    when = datetime.fromisoformat(line.pop("time"))
    assert abs((datetime.now(UTC) - when).total_seconds()) < 60
    assert line == {
        "level": "warning", "service": "orders", "event": "outbox stalled", "logger": "relay",
        "shard": 3, "age_seconds": 7.5,
    }  # fmt: skip


def test_what_libraries_log_looks_the_same(out: Out) -> None:
    logs.bind(order_id="o-1")
    stdlib.getLogger("alembic.runtime").info("Running %s", "upgrade")
    line = out.line
    assert line["event"] == "Running upgrade"
    assert (line["level"], line["service"], line["order_id"]) == ("info", "orders", "o-1")
    assert "time" in line


def test_bound_values_are_on_every_line_until_unbound(out: Out) -> None:
    log = logs.get_logger("handler")
    logs.bind(traceparent=TRACE, order_id="o-1")
    with logs.bound(order_id="o-2", attempt=1):
        log.info("inside")
    log.info("after")
    logs.unbind("traceparent", "order_id")
    log.info("later")
    inside, after, later = out.lines
    assert (inside["order_id"], inside["attempt"], inside["trace_id"]) == ("o-2", 1, TRACE[3:35])
    assert (after["order_id"], after["span_id"]) == ("o-1", TRACE[36:52])
    assert "attempt" not in after
    assert not {"trace_id", "span_id", "order_id"} & set(later)


def test_a_bad_traceparent_binds_nothing(out: Out) -> None:
    logs.bind(traceparent="nonsense", order_id="o-1")
    logs.get_logger("handler").info("x")
    assert "trace_id" not in out.line
    assert "traceparent" not in out.line


def test_levels(out: Out) -> None:
    logs.get_logger("x").debug("no")
    stdlib.getLogger("anything").debug("no")
    for noisy in ("aiokafka.consumer", "sqlalchemy.engine.Engine", "uvicorn.access", "httpx", "faststream"):
        stdlib.getLogger(noisy).info("no")
    stdlib.getLogger("opentelemetry.exporter").warning("no")
    assert out.text == ""
    stdlib.getLogger("aiokafka.consumer").warning("yes")
    assert out.line["event"] == "yes"


def test_a_library_that_brought_its_own_handler_is_taken_over(out: Out) -> None:
    own = io.StringIO()
    library = stdlib.getLogger("faststream.access.kafka")
    library.addHandler(stdlib.StreamHandler(own))
    library.propagate = False
    logs.configure("orders", "INFO", stream=out.stream)
    library.warning("hello")
    assert own.getvalue() == ""
    assert out.line["event"] == "hello"


def test_configured_twice_writes_once(out: Out) -> None:
    log = logs.get_logger("x")
    log.info("first")
    again = io.StringIO()
    logs.configure("inventory", "DEBUG", stream=again)
    log.debug("second")
    assert out.line["event"] == "first"
    assert json.loads(again.getvalue())["service"] == "inventory"


def test_an_error_comes_with_its_traceback_on_one_line(out: Out) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        logs.get_logger("x").exception("handler failed")
    assert "ValueError: broken" in out.line["exception"]
    assert "test_logging.py" in out.line["exception"]


def test_plain_lines_for_people(out: Out) -> None:
    logs.configure("orders", "INFO", json=False, stream=out.stream)
    logs.get_logger("x").info("hello", password=CANARY, shard=1)
    assert "hello" in out.text
    assert "shard=1" in out.text
    assert CANARY not in out.text


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(KeyError):
        logs.configure("orders", "LOUD")


def test_a_line_break_in_a_value_makes_no_second_line(out: Out) -> None:
    logs.get_logger("x").info("a\nb", value='{"level":"error"}\n{"level":"error"}')
    assert len(out.lines) == 1


# --- Nothing secret --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "DB_PASSWORD",
        "authorization",
        "Proxy-Authorization",
        "client_secret",
        "access_token",
        "apiKey",
        "api-key",
        "set-cookie",
    ],
)
def test_keys_that_name_secrets(out: Out, key: str) -> None:
    logs.get_logger("x").info(
        "x", **{key: CANARY}, nested={"deep": [{key: CANARY}]}, other={key: {"a": CANARY}}
    )
    assert CANARY not in out.text
    assert out.text.count("[secret]") == 3


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql+psycopg://orders:{CANARY}@db:5432/orders",
        f"connect to postgresql://orders:p@ss{CANARY}@db:5432/orders failed",
        f"https://user:a/{CANARY}@collector/v1",
        f"host=db password={CANARY} user=orders",
        f"host=db password='very {CANARY}' user=orders",
        f'{{"password": "{CANARY}"}}',
        f"sasl_password: {CANARY}",
        f"{'x' * 60}password={CANARY}",
        f"Authorization: Bearer {CANARY}.{CANARY}",
        f"sent bearer {CANARY}{CANARY}",
        f"GET /x?token={CANARY}&a=b",
        f"{CANARY}@example.org",
        f"no such customer: <{CANARY}@example.org>, sorry",
        f"mailto:{CANARY}+tag@shop.example",
        f"DETAIL:  Key (phone)=({CANARY}) already exists.",
        f"insert failed\n[SQL: INSERT INTO t VALUES (%(a)s)]\n[parameters: {{'a': '{CANARY}'}}]\n(Background)",
    ],
)
def test_secrets_and_persons_in_free_text(out: Out, text: str) -> None:
    log = logs.get_logger("x")
    log.info(text)
    log.info("x", detail=text, list=[text], error=ValueError(text))
    stdlib.getLogger("lib").warning("failed: %s", text)
    try:
        raise RuntimeError(text)
    except RuntimeError:
        log.exception("failed")
    assert CANARY not in out.text
    assert len(out.lines) == 4


def test_what_is_no_secret_stays_readable(out: Out) -> None:
    logs.get_logger("x").info(
        "consumed order.placed", topic="order.placed", url="http://db:5432/orders?x=1", group="inventory",
        host="kafka:9092", path="/orders/1", when=datetime(2026, 1, 2, tzinfo=UTC), amount=Decimal("1.50"),
        id=UUID(int=1), ok=True, nothing=None, counts={"a": 1}, parts=(1, "b"),
    )  # fmt: skip
    line = out.line
    assert line["url"] == "http://db:5432/orders?x=1"
    assert (line["topic"], line["host"], line["path"]) == ("order.placed", "kafka:9092", "/orders/1")
    assert (line["when"], line["amount"]) == ("2026-01-02 00:00:00+00:00", "1.50")
    assert line["id"] == "00000000-0000-0000-0000-000000000001"
    assert (line["ok"], line["nothing"], line["counts"], line["parts"]) == (True, None, {"a": 1}, [1, "b"])
    assert line["event"] == "consumed order.placed"


# --- Nobody personal -------------------------------------------------------------------------------------


class Contact(BaseModel):
    name: str
    email: str
    password: SecretStr = SecretStr("x")


@pytest.mark.parametrize(
    "key",
    [
        "name",
        "email",
        "e_mail_address",
        "customer_email",
        "phone",
        "contact",
        "address",
        "shipping_address",
        "street",
        "street2",
        "postal_code",
        "Postal-Code",
        "latitude",
    ],
)
def test_keys_that_name_persons(out: Out, key: str) -> None:
    logs.get_logger("x").info("x", **{key: CANARY}, order={"lines": [{key: {"x": CANARY}}]})
    assert CANARY not in out.text
    assert out.text.count("[personal]") == 2


def test_every_personal_field_of_the_contracts_is_known() -> None:
    envelope = pytest.importorskip("shared.contracts.envelope")
    names = set(envelope.Contact.model_fields) | set(envelope.Address.model_fields)
    # Which country, region, city and language an order is from is needed and no person.
    for name in names - {"locale", "country", "region", "city"}:
        assert logs.redact(None, "info", {name: CANARY}) == {name: "[personal]"}


def test_an_unknown_object_shows_its_class_only(out: Out) -> None:
    class Colour(Enum):
        RED = "red"

    logs.get_logger("x").info(
        "x", order=Contact(name=CANARY, email=CANARY), colour=Colour.RED, raw=CANARY.encode()
    )
    assert CANARY not in out.text
    assert (out.line["order"], out.line["colour"], out.line["raw"]) == ("<Contact>", "red", "<bytes>")


def test_what_pydantic_quotes_is_not_repeated(out: Out) -> None:
    try:
        Contact.model_validate({"name": [CANARY], "email": 1})
    except ValidationError:
        logs.get_logger("x").exception("refused")
    assert CANARY not in out.text
    assert "ValidationError" in out.line["exception"]
    assert "Input should be a valid string" in out.line["exception"]


def test_an_error_nobody_caught_passes_the_same_way(out: Out) -> None:
    try:
        raise RuntimeError(f"password={CANARY}")
    except RuntimeError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    assert out.line["level"] == "critical"
    assert "RuntimeError" in out.line["exception"]
    assert CANARY not in out.text


def test_warnings_pass_the_same_way(out: Out) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        # The test tool has put its own in the place of what the fixture's configure put there.
        stdlib.captureWarnings(False)
        logs.configure("orders", stream=out.stream)
        warnings.warn(f"token={CANARY}", stacklevel=1)
    assert CANARY not in out.text
    assert out.line["logger"] == "py.warnings"


def test_a_write_that_fails_prints_nothing(out: Out, capsys: pytest.CaptureFixture[str]) -> None:
    out.stream.close()
    out.stream = io.StringIO()
    logs.get_logger("x").info("x", detail=CANARY)
    assert CANARY not in "".join(capsys.readouterr())


# --- Bounds ----------------------------------------------------------------------------------------------


def test_a_long_text_is_cut_in_the_middle(out: Out) -> None:
    logs.get_logger("x").info("x", detail="first " + "x" * 90_000 + " last")
    assert len(out.text) < 16_384
    assert out.line["detail"].startswith("first")
    assert out.line["detail"].endswith("last")


def test_a_structure_that_contains_itself_ends(out: Out) -> None:
    loop: dict[str, object] = {"a": 1}
    loop["self"] = loop
    logs.get_logger("x").info("x", loop=loop)
    assert len(out.text) < 16_384


@given(
    st.text(),
    st.dictionaries(
        st.text(max_size=10), st.one_of(st.none(), st.text(), st.floats(), st.binary()), max_size=3
    ),
)
def test_any_text_is_survived(text: str, values: dict[str, object]) -> None:
    json.dumps(logs.redact(None, "info", {"event": logs.scrub(text), "values": values}))
