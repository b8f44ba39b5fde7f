"""The five services as the played systems see them: HTTP, with the patience that networks need."""

import asyncio
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx
import orjson

# httpcore asks for this module at every request, and Python looks for a missing one on the disk each time anew.
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]

_LONGEST_PAUSE = 2.0
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


class Unanswered(RuntimeError):
    """The answer to a request did not come, so nobody here knows whether it was carried out."""


class Http:
    """One client per process of a service, asked in turn over at most `connections` lines each. A busy or restarting
    service is asked again for `patience` seconds, not counting those spent waiting for a free line; the idempotency key
    makes that safe. An answer may take `seconds`.
    """

    def __init__(
        self,
        urls: Mapping[str, str | Sequence[str]],
        *,
        connections: int = 6,
        patience: float = 15.0,
        seconds: float = 60.0,
    ) -> None:
        # Lines are counted here: the client's own limit loses one whenever a request gives up waiting at the moment its
        # line comes free, and answers nobody any more once all are lost.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=connections)
        timeout = httpx.Timeout(seconds, pool=None)
        processes = {name: [url] if isinstance(url, str) else list(url) for name, url in urls.items()}
        self.urls = {name: addresses[0] for name, addresses in processes.items()}
        self._patience = patience
        self._lines = {name: asyncio.Semaphore(connections * len(processes[name])) for name in processes}
        self._clients = {
            name: deque(
                httpx.AsyncClient(base_url=url, timeout=timeout, limits=limits, headers={"X-Actor": "demo"})
                for url in addresses
            )
            for name, addresses in processes.items()
        }

    def moved(self, service: str, url: str) -> None:
        """The one process of a service was started again, maybe at another port."""
        self.urls[service] = url
        for client in self._clients[service]:
            client.base_url = url

    async def get(self, service: str, path: str, **query: Any) -> Answer:
        """Look something up."""
        return await self._ask(service, "GET", path, None, None, query)

    async def post(self, service: str, path: str, body: Any, key: str | None = None) -> Answer:
        """Ask for something; the same key is the same request."""
        return await self._ask(service, "POST", path, body, key, {})

    async def post_once(self, service: str, path: str, body: Any, key: str | None = None) -> Answer:
        """Ask for something and never again. Raises Unanswered when no answer comes, or that the service is busy."""
        return await self._ask(service, "POST", path, body, key, {}, patience=0.0)

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
            return (await self._clients[service][0].get(path, timeout=5)).text
        except httpx.HTTPError:
            return ""

    async def _ask(
        self,
        service: str,
        method: str,
        path: str,
        body: Any,
        key: str | None,
        query: Mapping[str, Any],
        *,
        patience: float | None = None,
    ) -> Answer:
        content = None if body is None else orjson.dumps(body)
        headers = {"Content-Type": "application/json"} if content is not None else {}
        if key is not None:
            headers["Idempotency-Key"] = key
        left = self._patience if patience is None else patience
        pause = 0.1
        while True:
            async with self._lines[service]:
                began = time.monotonic()
                clients = self._clients[service]
                clients.rotate()
                try:
                    response = await clients[0].request(
                        method, path, content=content, headers=headers, params=query or None
                    )
                except httpx.TransportError as error:
                    problem = repr(error)
                else:
                    if response.status_code not in _BUSY:
                        return Answer(response.status_code, _json(response))
                    problem = f"{response.status_code} {response.text[:300]}"
                left -= time.monotonic() - began
            if left <= 0:
                break
            await asyncio.sleep(pause)
            left -= pause
            pause = min(_LONGEST_PAUSE, 2 * pause)
        what = f"{service} did not answer {method} {path}: {problem}"
        if patience is not None:
            raise Unanswered(what)
        raise Unexpected(f"{what}; asked again for {self._patience:.0f} s")

    async def close(self) -> None:
        """Hang up."""
        for clients in self._clients.values():
            for client in clients:
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
