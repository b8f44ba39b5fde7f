"""Logs: one JSON object per line on standard error, whoever wrote it, and nothing secret or personal in it.

Standard error, so that a command's output (`dead-letters list`) can be piped. Everything, also what
libraries log, passes the same last step, which

- replaces values whose *key* names a secret or personal data, however deep they lie;
- takes credentials and e-mail addresses out of free text and tracebacks, and what PostgreSQL, SQLAlchemy
  and pydantic quote of the data they refuse;
- never writes the `repr` of an object it does not know, because a model's repr is its content.

Names, phones and addresses inside free text cannot be recognised: pass values as keywords, not in the event.
"""

import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from types import TracebackType
from typing import Any, TextIO
from uuid import UUID

import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars, clear_contextvars, unbind_contextvars
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from shared.telemetry.tracing import parse_traceparent

SECRET = "[secret]"  # noqa: S105 - what stands in the place of one
PERSONAL = "[personal]"

_SECRET_KEYS = (
    "password", "passwd", "passphrase", "authorization", "secret", "token", "credential", "cookie",
    "api_key", "apikey", "private_key",
)  # fmt: skip
"""A key that contains one of these holds a secret."""

_PERSONAL_KEYS = frozenset({
    "contact", "customer", "buyer", "recipient", "consignee", "name", "first_name", "last_name", "full_name",
    "given_name", "family_name", "customer_name", "recipient_name", "company", "email", "mail", "phone",
    "telephone", "mobile", "address", "street", "street2", "house_number", "postal_code", "postcode", "zip",
    "latitude", "longitude",
})  # fmt: skip
_PERSONAL_ENDINGS = ("_email", "_mail", "_phone", "_address")

_MAX_READ = 100_000  # of one text; searching more than this takes longer than a log line is worth
_MAX_TEXT = 8_000  # container runtimes cut lines at 16 KiB, and half a JSON object is none
_MAX_DEPTH = 6

# Quantifiers are bounded where a hostile text could make them try every start.
_CREDENTIALS_IN_URL = re.compile(r"://[^\s/:@]{0,200}:\S{0,500}@")
_CREDENTIALS_IN_TEXT = re.compile(
    r"""(?ix) ( (?:password|passwd|passphrase|secret|token|authorization|cookie|api[_-]?key)
                [\w-]{0,40} ["']? \s{0,5} [=:] \s{0,5} )
        (?: "[^"]*" | '[^']*' | (?:bearer|basic)\s+\S+ | [^\s,;&)}\]]+ )"""
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}")
_EMAIL = re.compile(r"""[^\s@<>"'=(:,;\[{]{1,64}@[^\s@<>"',;)\]}]{1,255}""")
# `DETAIL: Key (email)=(...) already exists`, `[parameters: (...)]`, `input_value='...', input_type=str`.
_QUOTED_DATA = re.compile(
    r"(?m)(\bDETAIL:|\bCONTEXT:|\[parameters:).*$|(\binput_value=).*?(?=, input_type=|$)"
)

# What libraries say below these levels is noise, or content: sqlalchemy's INFO is every statement with
# its values.
_LIBRARIES = {
    "aiokafka": logging.WARNING,
    "faststream": logging.WARNING,
    "uvicorn": logging.INFO,
    "uvicorn.access": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "alembic": logging.INFO,
    "psycopg": logging.WARNING,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "asyncio": logging.WARNING,
    "opentelemetry": logging.ERROR,
    "urllib3": logging.ERROR,
}


def configure(
    service: str, level: str | int = "INFO", json: bool = True, stream: TextIO | None = None
) -> None:
    """Sends all logs of this process to `stream` (standard error), as JSON or, for people, as plain lines.

    May be called again; the last call counts. Loggers that libraries made before are taken over, so call
    it after they are imported and give FastStream `logger=logging.getLogger("faststream")`.
    """
    number = logging.getLevelNamesMapping()[level.upper()] if isinstance(level, str) else level
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _Service(service),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        # Module-level loggers must see a later configure.
        cache_logger_on_first_use=False,
    )
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if json
        # The pretty traceback would show local variables.
        else structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback, timestamp_key="time"
        )
    )
    handler = _Handler(stream if stream is not None else sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # Before redaction, so that tracebacks pass it too.
                structlog.processors.StackInfoRenderer(),
                structlog.processors.format_exc_info,
                redact,
                _order,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        # Ours and the plain ones of basicConfig; a test tool's own handlers stay.
        if type(old) in (_Handler, logging.StreamHandler):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(number)
    for name, quiet in _LIBRARIES.items():
        logging.getLogger(name).setLevel(max(quiet, number))
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in _LIBRARIES:
            library = logging.getLogger(name)
            library.handlers.clear()
            library.propagate = True
    logging.captureWarnings(True)
    # A failing write must not print the record it failed on.
    logging.raiseExceptions = False
    sys.excepthook = _unhandled


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger; events are few words, what varies goes into keywords."""
    logger: FilteringBoundLogger = structlog.get_logger(name)
    return logger


def bind(**values: object) -> None:
    """Adds values to every later log line of this task. `traceparent=` becomes `trace_id` and `span_id`."""
    bind_contextvars(**_split(values))


def unbind(*names: str) -> None:
    """Takes values off again."""
    if "traceparent" in names:
        names = (*names, "trace_id", "span_id")
    unbind_contextvars(*names)


def clear() -> None:
    """Takes all bound values off."""
    clear_contextvars()


@contextmanager
def bound(**values: object) -> Iterator[None]:
    """Binds for the length of a block and restores what was there before."""
    with bound_contextvars(**_split(values)):
        yield


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """The last step before a line is written: nothing secret, nothing personal, only plain values."""
    return {key: _clean(key, value, 0) for key, value in event.items()}


def scrub(text: str) -> str:
    """Free text without credentials, e-mail addresses and quoted data."""
    text = text[:_MAX_READ]
    if "@" in text:
        text = _CREDENTIALS_IN_URL.sub(f"://{SECRET}@", text)
        text = _EMAIL.sub(PERSONAL, text)
    text = _CREDENTIALS_IN_TEXT.sub(rf"\1{SECRET}", text)
    text = _BEARER.sub(rf"\1 {SECRET}", text)
    text = _QUOTED_DATA.sub(lambda match: f"{match[1] or match[2]} {PERSONAL}", text)
    if len(text) > _MAX_TEXT:
        # After the search, so that no half of a secret is left; a traceback says most at its ends.
        text = f"{text[: _MAX_TEXT // 2]} ... {text[-_MAX_TEXT // 2 :]}"
    return text


def _clean(key: str, value: object, depth: int) -> object:
    name = key.lower().replace("-", "_")
    if value is None or isinstance(value, bool):
        return value
    if any(part in name for part in _SECRET_KEYS):
        return SECRET
    if name in _PERSONAL_KEYS or name.endswith(_PERSONAL_ENDINGS):
        return PERSONAL
    return _plain(value, depth)


def _plain(value: object, depth: int) -> object:
    if isinstance(value, Enum):
        return _plain(value.value, depth)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, BaseException):
        return scrub(f"{type(value).__name__}: {value}")
    if isinstance(value, date | time | timedelta | Decimal | UUID | PurePath):
        return str(value)
    if depth < _MAX_DEPTH and isinstance(value, Mapping):
        return {str(key): _clean(str(key), item, depth + 1) for key, item in value.items()}
    if depth < _MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, depth + 1) for item in value]
    return f"<{type(value).__qualname__}>"


def _split(values: dict[str, Any]) -> dict[str, Any]:
    if "traceparent" not in values:
        return values
    values = dict(values)
    parent = parse_traceparent(values.pop("traceparent"))
    if parent is not None:
        values |= {"trace_id": parent.trace_id, "span_id": parent.span_id}
    return values


class _Service:
    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = self._service
        return event


_FIRST = ("time", "level", "service", "event")


def _order(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """What is read first comes first."""
    return {key: event[key] for key in _FIRST if key in event} | dict(event)


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, to be known again when configure is called twice."""


def _unhandled(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """An error nobody caught ends the process; its traceback passes redaction like any other."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    logging.getLogger("unhandled").critical("unhandled error", exc_info=(kind, error, traceback))
