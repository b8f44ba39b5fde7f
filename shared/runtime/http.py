"""HTTP the way every service speaks it: problem details (RFC 9457), idempotency keys, limits, one span a request."""

import hashlib
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Annotated, Any

import orjson
import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from shared.contracts.envelope import FieldError
from shared.contracts.field_errors import in_words
from shared.messaging.message import Done, Outcome
from shared.messaging.retry import transient
from shared.runtime.limits import ClientRate
from shared.telemetry.tracing import Tracing, valid_tracestate

log = structlog.get_logger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Problem(BaseModel):
    """A refusal in the form of RFC 9457, with every faulty field."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    errors: list[FieldError] = []


_RETRY_AFTER = {
    "Retry-After": {"description": "seconds", "schema": {"type": "integer", "minimum": 1}},
}

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "model": Problem,
        "description": text,
        "content": {"application/problem+json": {}},
        **({"headers": _RETRY_AFTER} if "Retry-After" in text else {}),
    }
    for status, text in {
        400: "The body or the address cannot be read",
        404: "There is no such thing",
        409: "It contradicts what already happened; detail says what to do instead",
        413: "The body is too large",
        422: "Fields are faulty; errors names each",
        429: "More than this client may ask, or more than is being worked off; try again after Retry-After seconds",
        503: "The database or broker is away; try again after Retry-After seconds",
    }.items()
}
"""What every route of an API may answer beside its own."""

_TITLES = {
    400: "Bad request", 404: "Not found", 405: "Method not allowed", 409: "Conflict", 413: "Too large",
    415: "Unsupported media type", 422: "Faulty fields", 429: "Too many requests", 500: "Internal error",
    503: "Unavailable",
}  # fmt: skip


class Body(BaseModel):
    """The base of request bodies: a field nobody knows is refused, since a misspelt one would be lost unseen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class RequestContext:
    """Who asks, under which key, in which trace."""

    idempotency_key: str | None
    actor: str
    trace: str
    scope: str
    fingerprint: str
    tracestate: str = ""


async def request_context(request: Request) -> RequestContext:
    """FastAPI dependency: what `Service.command` needs to know of the request."""
    key = request.headers.get("idempotency-key")
    if key is not None and not 1 <= len(key) <= 200:
        raise RequestValidationError(
            [
                {
                    "loc": ("header", "Idempotency-Key"),
                    "msg": "must have 1 to 200 characters",
                    "type": "value_error",
                }
            ]
        )
    fingerprint = ""
    if key is not None:
        query = request.scope["query_string"]
        fingerprint = hashlib.sha256(query + b"\n" + await request.body()).hexdigest()
    actor = request.headers.get("x-actor", "api")[:60]
    trace = str(request.scope.get("oms.trace", ""))
    state = str(request.scope.get("oms.tracestate", ""))
    return RequestContext(key, actor, trace, f"{request.method} {request.url.path}"[:500], fingerprint, state)


Context = Annotated[RequestContext, Depends(request_context)]
"""Annotation for route parameters."""


def problem(
    status: int,
    code: str,
    detail: str,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A refusal as problem details."""
    body = Problem(
        title=_TITLES.get(status, "Refused"), status=status, code=code, detail=detail, errors=list(errors)
    )
    return JSONResponse(
        body.model_dump(),
        status_code=status,
        headers=dict(headers or {}),
        media_type="application/problem+json",
    )


def respond(outcome: Outcome) -> Response:
    """The answer to a command."""
    if isinstance(outcome, Done):
        # The same bytes now and when the stored answer is repeated: both by the encoder that stores it.
        body = orjson.dumps(outcome.body)
        return Response(body, outcome.status, dict(outcome.headers), media_type="application/json")
    return problem(outcome.status, outcome.code, outcome.detail, outcome.errors, outcome.headers)


def create_app(title: str, version: str, description: str = "") -> FastAPI:
    """An application whose every error, also of routing and of parsing, is a problem document.

    The page at /docs brings its own script and style: a browser that reaches the service needs nothing else.
    """
    app = FastAPIOffline(title=title, version=version, description=description, redoc_url=None)
    app.add_exception_handler(RequestValidationError, _faulty_fields)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        for operations in document.get("paths", {}).values():
            for operation in operations.values():
                # A list of addresses says what each does; the framework takes the names of functions.
                if what := operation.get("description"):
                    operation["summary"] = _CLAUSE.split(what, maxsplit=1)[0]
        return document

    app.openapi = openapi  # type: ignore[method-assign]
    return app


_CLAUSE = re.compile(r"[.:;](?:\s|$)")


async def _faulty_fields(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    errors = in_words(error.errors(), within="body")
    return problem(422, "faulty_fields", f"{len(errors)} faulty field(s); see errors", errors)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    code = _TITLES.get(error.status_code, "error").lower().replace(" ", "_")
    detail, headers = str(error.detail), error.headers
    if detail == "Not Found":  # The framework's own; a route that looks in vain says what it looked for.
        detail = "Nothing answers at this address; /docs lists what does."
    elif error.status_code == 405:
        # The framework names the methods of the first route of this address only.
        path = getattr(request.scope.get("route"), "path", "")
        methods = sorted(name.upper() for name in request.app.openapi()["paths"].get(path, ()))
        if methods:
            headers = {"Allow": ", ".join(methods)}
        detail = f"Use one of these methods here: {(headers or {}).get('Allow', '')}"
    return problem(error.status_code, code, detail, headers=headers)


async def _unexpected(request: Request, error: Exception) -> Response:
    reason = transient(error)
    if reason is not None:
        log.warning("unavailable", path=request.url.path, error=reason)
        detail = "The database is away or busy. Nothing was changed; try again."
        return problem(503, "unavailable", detail, headers={"Retry-After": "2"})
    log.error("request failed", path=request.url.path, exc_info=error)
    return problem(
        500, "internal_error", "This is a fault of ours; it was logged with the request's trace id."
    )


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNTRACED = frozenset({"/health", "/ready", "/metrics"})  # asked every few seconds, by machines


class Edge:
    """ASGI middleware around everything: limits, server span, duration metric. Pure ASGI, because it is hot."""

    def __init__(
        self,
        app: Any,
        *,
        tracing: Tracing,
        observe: Callable[[str, str, int, float], None],
        limit: int,
        rate: ClientRate | None = None,
    ) -> None:
        self._app = app
        self._tracing = tracing
        self._observe = observe
        self._limit = limit
        self._rate = rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] in _UNTRACED:
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0
        headers = dict(scope["headers"])
        parent = headers.get(b"traceparent", b"").decode("ascii", "replace") or None
        span = self._tracing.server_span(scope["method"], None, parent)
        scope["oms.trace"] = span.traceparent
        scope["oms.tracestate"] = valid_tracestate(
            headers.get(b"tracestate", b"").decode("ascii", "replace"), parent
        )

        async def answered(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._limited(scope, receive, answered)
        except Exception:
            # Starlette raises again what `_unexpected` has logged and answered.
            if not status:
                raise
        finally:
            route = getattr(scope.get("route"), "path", "(none)")
            span.respond(status or 500, route)
            method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
            self._observe(method, route, status or 500, time.perf_counter() - started)

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        if self._rate is not None:
            wait = self._rate.wait(self._rate.client(headers, (scope.get("client") or ("",))[0]))
            if wait:
                await _too_many(wait)(scope, receive, send)
                return
        if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
            refusal = problem(400, "bad_request", "The address contains %00, which no id and no filter can.")
            await refusal(scope, receive, send)
            return
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self._limit:
            await _too_large(self._limit)(scope, receive, send)
            return
        if b"transfer-encoding" in headers:
            body = await _read(receive, self._limit)
            if body is None:
                await _too_large(self._limit)(scope, receive, send)
                return
            receive = _replay(body, receive)
        await self._app(scope, receive, send)


def _too_large(limit: int) -> JSONResponse:
    return problem(413, "too_large", f"The body may have at most {limit} bytes. Send less at once.")


def _too_many(wait: float) -> JSONResponse:
    detail = "This client asks more often than it may. Nothing was changed; ask again later."
    return problem(429, "too_many_requests", detail, headers={"Retry-After": str(ceil(wait))})


async def _read(receive: Receive, limit: int) -> bytes | None:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if len(body) > limit:
            return None
        if not message.get("more_body"):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def again() -> MutableMapping[str, Any]:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
