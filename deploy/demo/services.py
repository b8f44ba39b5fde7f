"""The five services as the played systems see them: HTTP, with the patience that networks need."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx
import orjson

# httpcore asks for this module at every request, and Python looks for a missing one on the disk each time anew.
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]

_TRIES = 8
_BUSY = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and the JSON that came with it."""

    status: int
    body: Any

    @property
    def ok(self) -> bool:
        """Whether the request was carried out."""
        return 200 <= self.status < 300


class Unexpected(RuntimeError):
    """An answer that the demo's requests never deserve: the suite is at fault, or the demo."""


class Http:
    """One client per service. A busy or restarting service is asked again; the idempotency key makes that safe."""

    def __init__(self, urls: Mapping[str, str], *, connections: int = 6) -> None:
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self.urls = dict(urls)
        self._clients = {
            name: httpx.AsyncClient(base_url=url, timeout=60, limits=limits, headers={"X-Actor": "demo"})
            for name, url in urls.items()
        }

    async def get(self, service: str, path: str, **query: Any) -> Answer:
        """Look something up."""
        return await self._ask(service, "GET", path, None, None, query)

    async def post(self, service: str, path: str, body: Any, key: str | None = None) -> Answer:
        """Ask for something; the same key is the same request."""
        return await self._ask(service, "POST", path, body, key, {})

    async def put(self, service: str, path: str, body: Any) -> Answer:
        """Set something."""
        return await self._ask(service, "PUT", path, body, None, {})

    async def must_post(self, service: str, path: str, body: Any, key: str | None = None) -> Any:
        """The body of the answer to a request that has to be carried out. Raises Unexpected if it is not."""
        answer = await self.post(service, path, body, key)
        if not answer.ok:
            raise Unexpected(f"{service} answered {answer.status} to POST {path}: {str(answer.body)[:500]}")
        return answer.body

    async def text(self, service: str, path: str) -> str:
        """A page as text, or nothing when the service does not answer."""
        try:
            return (await self._clients[service].get(path, timeout=5)).text
        except httpx.HTTPError:
            return ""

    async def _ask(
        self, service: str, method: str, path: str, body: Any, key: str | None, query: Mapping[str, Any]
    ) -> Answer:
        content = None if body is None else orjson.dumps(body)
        headers = {"Content-Type": "application/json"} if content is not None else {}
        if key is not None:
            headers["Idempotency-Key"] = key
        problem: object = None
        for attempt in range(_TRIES):
            try:
                response = await self._clients[service].request(
                    method, path, content=content, headers=headers, params=query or None
                )
            except httpx.TransportError as error:
                problem = repr(error)
            else:
                if response.status_code not in _BUSY:
                    return Answer(response.status_code, _json(response))
                problem = f"{response.status_code} {response.text[:300]}"
            await asyncio.sleep(min(2.0, 0.1 * 2**attempt))
        raise Unexpected(f"{service} did not answer {method} {path} after {_TRIES} tries: {problem}")

    async def close(self) -> None:
        """Hang up."""
        for client in self._clients.values():
            await client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _json(response: httpx.Response) -> Any:
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return response.text
