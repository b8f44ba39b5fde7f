"""Every HTTP API: by schemathesis from its own OpenAPI, and by those requests damaged in ways no schema describes.

No answer may be a 5xx, be of a kind that the OpenAPI does not document, or be a refusal that does not say why.
"""

import warnings
from collections.abc import Callable
from random import Random
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisDeprecationWarning
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fuzz.mutations import Mutator
from tests.fuzz.report import Report

_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
_DAMAGED = 6
"""Damaged requests for each one that schemathesis makes: those are made faster."""
_OPERATIONS = ("/health", "/ready", "/metrics")
_HEADERS = ("Idempotency-Key", "X-Actor", "traceparent", "Content-Type", "Accept", "X-Forwarded-For")
# What the server itself, in front of any API, answers to what is hardly HTTP.
_SERVER = {400, 405, 413, 414, 431}


def fuzz_http(
    name: str,
    base: str,
    known: dict[str, list[str]],
    report: Report,
    inputs: int,
    progress: Callable[[int], None],
) -> None:
    """Ask one service so many bad things. Blocks: run it in a thread beside the service."""
    schema = schemathesis.openapi.from_url(f"{base}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    operations = [each for each in operations if each.path not in _OPERATIONS]
    each = max(2, inputs // (len(operations) * (1 + _DAMAGED)))
    with requests.Session() as session:
        for operation in operations:
            _Attack(name, base, operation, known, report, session, progress).run(each)


class _Attack:
    """All that is tried on one operation."""

    def __init__(
        self,
        name: str,
        base: str,
        operation: Any,
        known: dict[str, list[str]],
        report: Report,
        session: requests.Session,
        progress: Callable[[int], None],
    ) -> None:
        self._name = name
        self._base = base
        self._operation = operation
        self._known = known
        self._report = report
        self._session = session
        self._progress = progress
        self._documented = {str(status) for status in operation.definition.raw["responses"]}

    def run(self, cases: int) -> None:
        """So many requests of schemathesis', and as many more again and again damaged."""
        both = st.one_of(
            self._operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
            self._operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
        )

        @seed(self._report.seed)
        @settings(
            max_examples=cases, database=None, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=both)
        def one(case: Any) -> None:
            random = Random(f"{self._report.seed}/{self._name}/{case.method}{case.path}/{case.body!r}")
            self._aim(case, random)
            self._as_made(case)
            for _ in range(_DAMAGED):
                self._damaged(case, random)
            self._progress(1 + _DAMAGED)

        with warnings.catch_warnings():
            # Schemathesis draws from the module `random`; its cases are replayed from the report, not from Hypothesis.
            warnings.simplefilter("ignore", HypothesisDeprecationWarning)
            one()

    def _aim(self, case: Any, random: Random) -> None:
        """Half of the requests are about things that are there."""
        if random.random() < 0.5:
            case.path_parameters = {
                name: random.choice(self._known.get(name) or [value])
                for name, value in (case.path_parameters or {}).items()
            }

    def _as_made(self, case: Any) -> None:
        kind = "http, by schemathesis"
        try:
            response = case.call(base_url=self._base, session=self._session)
        except requests.RequestException as error:
            self._report.found(
                kind, f"{self._label}: no answer: {type(error).__name__}", case.as_curl_command()
            )
            return
        self._report.count(kind, f"{response.status_code}")
        try:
            case.validate_response(response, checks=_CHECKS)
        except FailureGroup as group:
            for failure in group.exceptions:
                what = f"{self._label}: {failure.title}: {response.status_code}"
                self._report.found(
                    kind, what, f"{case.as_curl_command()}\n{failure.message} {response.text[:500]}"
                )

    def _damaged(self, case: Any, random: Random) -> None:
        mutator = Mutator(random)
        kind = "http, damaged"
        request = self._request(case, random, mutator)
        try:
            prepared = self._session.prepare_request(request)
            response = self._session.send(prepared, timeout=60)
        except (requests.RequestException, ValueError, UnicodeError) as error:
            if isinstance(error, requests.ConnectionError | requests.Timeout):
                self._report.found(kind, f"{self._label}: no answer: {type(error).__name__}", _shown(request))
            return  # Not even the client library would send it.
        self._report.count(kind, f"{response.status_code}")
        status = response.status_code
        allowed = str(status) in self._documented or status in _SERVER
        self._report.check(
            kind, status < 500 and allowed, f"{self._label}: answers {status}", _shown(request, response)
        )
        if status >= 400 and status not in _SERVER:
            told = "json" in response.headers.get("content-type", "") and response.json().get("detail")
            self._report.check(
                kind, told, f"{self._label}: {status} does not say why", _shown(request, response)
            )

    def _request(self, case: Any, random: Random, mutator: Mutator) -> requests.Request:
        path = case.path
        for name, value in (case.path_parameters or {}).items():
            hostile = random.random() < 0.3
            text = mutator.text() if hostile else str(value)
            path = path.replace(
                "{" + name + "}", requests.utils.quote(text.encode("utf-8", "replace"), safe="")
            )
        query = {
            name: value for name, value in (case.query or {}).items() if isinstance(value, str | int | list)
        }
        for name in [each["name"] for each in self._operation.definition.raw.get("parameters", [])]:
            if random.random() < 0.3:
                query[name] = _writable(mutator.text())
        headers = {"Content-Type": "application/json", "X-Actor": "fuzz"}
        if random.random() < 0.4:
            name = random.choice(
                ("Idempotency-Key", "X-Actor", "traceparent", "Content-Type", "Accept", "X-Forwarded-For")
            )
            headers[name] = _writable(mutator.text()).replace("\r", "").replace("\n", "").strip() or "x"
        body = None
        if self._operation.body:
            document = case.body if isinstance(case.body, dict | list) else {}
            body = mutator.body(document)
        encoded = {name: value.encode("utf-8") for name, value in headers.items()}
        return requests.Request(case.method, self._base + path, params=query, data=body, headers=encoded)

    @property
    def _label(self) -> str:
        return f"{self._name} {self._operation.method.upper()} {self._operation.path}"


def _writable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _shown(request: requests.Request, response: requests.Response | None = None) -> str:
    body = request.data if isinstance(request.data, bytes) else b""
    answer = f" -> {response.status_code} {response.text[:300]}" if response is not None else ""
    return f"{request.method} {request.url} {request.params} {request.headers} {body[:600]!r}{answer}"


__all__ = ["fuzz_http"]
