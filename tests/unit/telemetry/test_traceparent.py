"""W3C trace context: what is valid, what is sampled, and that nothing anybody sends raises."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.telemetry import tracing
from shared.telemetry.tracing import (
    TraceParent,
    is_sampled,
    parse_traceparent,
    same_trace,
    valid_tracestate,
)

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
VALID = f"00-{TRACE}-{SPAN}-01"


def test_the_parts_of_a_valid_one() -> None:
    assert parse_traceparent(VALID) == TraceParent(TRACE, SPAN, True)
    assert parse_traceparent(f"00-{TRACE}-{SPAN}-00") == TraceParent(TRACE, SPAN, False)


@pytest.mark.parametrize(
    ("flags", "sampled"), [("01", True), ("03", True), ("02", False), ("ff", True), ("fe", False)]
)
def test_only_the_lowest_flag_means_sampled(flags: str, sampled: bool) -> None:
    text = f"00-{TRACE}-{SPAN}-{flags}"
    parent = parse_traceparent(text)
    assert parent is not None
    assert parent.sampled is sampled
    assert is_sampled(text) is sampled


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "00",
        f" {VALID}",
        f"{VALID} ",
        f"{VALID}\n",
        f"{VALID}-",
        f"{VALID}-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0A",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00_{TRACE}_{SPAN}_01",
        f"01-{TRACE}-{SPAN}-01x",
        f"00-{TRACE[:-1]}٣-{SPAN}-01",
    ],
)
def test_invalid(text: str | None) -> None:
    assert parse_traceparent(text) is None
    assert not is_sampled(text)
    assert not same_trace(text, text)


@pytest.mark.parametrize(
    "text", [f"01-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-01-what-comes-later", f"fe-{TRACE}-{SPAN}-01-"]
)
def test_later_versions_are_read_as_far_as_known(text: str) -> None:
    assert parse_traceparent(text) == TraceParent(TRACE, SPAN, True)
    assert is_sampled(text)


@pytest.mark.parametrize("thing", [VALID.encode(), 1, [VALID], object()])
def test_what_is_no_text_is_invalid_and_does_not_raise(thing: object) -> None:
    assert parse_traceparent(thing) is None  # type: ignore[arg-type]
    assert not is_sampled(thing)  # type: ignore[arg-type]


def test_same_trace() -> None:
    assert same_trace(VALID, f"00-{TRACE}-{'1' * 16}-00")
    assert not same_trace(VALID, f"00-{'1' * 32}-{SPAN}-01")
    assert not same_trace(VALID, None)


def _reference(text: str) -> TraceParent | None:
    """The recommendation, written down the long way."""
    parts = text.split("-")
    if len(parts) < 4:
        return None
    version, trace_id, span_id, flags = parts[:4]
    for part, length in ((version, 2), (trace_id, 32), (span_id, 16), (flags, 2)):
        if len(part) != length or any(c not in "0123456789abcdef" for c in part):
            return None
    if version == "ff" or set(trace_id) == {"0"} or set(span_id) == {"0"}:
        return None
    if (version == "00" and len(parts) > 4) or "\n" in text:
        return None
    return TraceParent(trace_id, span_id, bool(int(flags, 16) & 1))


_hex = "0123456789abcdef"


def _digits(length: int) -> st.SearchStrategy[str]:
    fit = st.one_of(
        st.text(_hex, min_size=length, max_size=length), st.just("0" * length), st.just("f" * length)
    )
    return st.one_of(fit, fit, fit, fit, fit, st.text(string.hexdigits + "g-\n", max_size=length + 1))


@given(
    st.builds("-".join, st.tuples(_digits(2), _digits(32), _digits(16), _digits(2))),
    st.sampled_from(["", "", "-", "-x", "\n", "x"]),
)
def test_agrees_with_the_recommendation(text: str, more: str) -> None:
    assert parse_traceparent(text + more) == _reference(text + more)
    parent = _reference(text + more)
    assert is_sampled(text + more) is (parent is not None and parent.sampled)


@given(st.text())
def test_any_text_is_survived(text: str) -> None:
    assert parse_traceparent(text) == _reference(text)


def test_cost_an_unsampled_message_is_not_even_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str | None] = []
    monkeypatch.setattr(tracing, "parse_traceparent", lambda text: parsed.append(text))
    for _ in range(1_000):
        is_sampled(f"00-{TRACE}-{SPAN}-00")
        is_sampled(None)
    assert parsed == []


@pytest.mark.parametrize(
    ("given", "carried"),
    [
        ("vendor=value", "vendor=value"),
        ("a=1,b@c=2 3,,d_-*/=!~", "a=1,b@c=2 3,d_-*/=!~"),
        (" a=1 ,\tb=2", "a=1,b=2"),
        (",".join(f"k{number}=v" for number in range(32)), ",".join(f"k{number}=v" for number in range(32))),
        (",".join(f"k{number}=v" for number in range(33)), ""),
        ("a=" + "v" * 255, "a=" + "v" * 255),
        ("a=" + "v" * 257, ""),
        ("a=" + "v" * 250 + ",b=" + "v" * 250 + ",c=12345", ""),
        ("A=1", ""),
        ("novalue", ""),
        ("a=1=2", ""),
        ("a=\x00", ""),
        ("a=\n", ""),
        ("a=ü", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_a_tracestate_is_carried_whole_or_not_at_all(given: str | None, carried: str) -> None:
    assert valid_tracestate(given, VALID) == carried


def test_a_tracestate_without_its_traceparent_says_nothing() -> None:
    assert valid_tracestate("a=1", None) == valid_tracestate("a=1", "00-rubbish") == ""


@given(st.text(), st.one_of(st.none(), st.just(VALID), st.text()))
def test_no_tracestate_raises(text: str, traceparent: str | None) -> None:
    carried = valid_tracestate(text, traceparent)
    assert valid_tracestate(carried, VALID) == carried
