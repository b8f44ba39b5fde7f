"""The HTTP side of a service process: its API, its health and its metrics on one port."""

import asyncio
import inspect
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from shared.runtime.http import PROBLEMS, Edge, create_app
from shared.runtime.limits import ClientRate
from shared.runtime.settings import ServiceSettings

if TYPE_CHECKING:
    from shared.runtime.service import Service


class CannotListen(OSError):
    """The HTTP address of the settings is taken or not ours; `remedy` names the settings."""

    def __init__(self, address: str, error: OSError, prefix: str) -> None:
        super().__init__(error.strerror or str(error))
        self.address = address
        self.remedy = (
            f"end what listens there, or set {prefix}HTTP_PORT (0: any free port) or {prefix}HTTP_HOST"
        )


class HttpServer:
    """uvicorn inside the service's own event loop, without its signal handlers."""

    def __init__(self, service: "Service[Any, Any]") -> None:
        self._service = service
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port it listens on, also when the system chose it."""
        if self._server is None or not self._server.started:
            raise RuntimeError("the HTTP server is not started")
        return int(self._server.servers[0].sockets[0].getsockname()[1])

    async def start(self, *, with_api: bool) -> None:
        """Listen, with the service's API or with health and metrics only. Raises CannotListen (a taken port)."""
        listening = self._listen()
        self._server = server = _Server(self._config(build_app(self._service, with_api=with_api)))
        self._task = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:
            if self._task.done():
                await self._task
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Refuse new requests, finish those under way, close."""
        if self._server is None or self._task is None:
            return
        self._server.should_exit = True
        with suppress(asyncio.CancelledError):
            await self._task

    def _listen(self) -> socket.socket:
        # uvicorn would log a taken port as a bare error and call sys.exit inside the event loop.
        settings = self._service.settings
        host, port = settings.http_host, settings.http_port
        try:
            return socket.create_server(
                (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048
            )
        except OSError as error:
            prefix = str(settings.model_config.get("env_prefix", ""))
            raise CannotListen(f"{host}:{port}", error, prefix) from None

    def _config(self, app: FastAPI) -> uvicorn.Config:
        settings = self._service.settings
        seconds = self._service.metrics.histogram(
            "http_request_seconds", "Time to answer a request", ("method", "route", "status")
        )

        def observe(method: str, route: str, status: int, duration: float) -> None:
            seconds.labels(method, route, str(status)).observe(duration)

        return uvicorn.Config(
            Edge(
                app,
                tracing=self._service.tracing,
                observe=observe,
                limit=settings.max_body_bytes,
                rate=_rate(settings),
            ),
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=10,
            # Longer than clients keep idle connections: else one closes while the other sends.
            timeout_keep_alive=75,
            server_header=False,
        )


def _rate(settings: ServiceSettings) -> ClientRate | None:
    if not settings.client_rate:
        return None
    return ClientRate(settings.client_rate, settings.client_burst, header=settings.client_header)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the service, which drains more than HTTP."""
        yield


def build_app(service: "Service[Any, Any]", *, with_api: bool = True) -> FastAPI:
    """The application of a service: its API plus /health, /ready and /metrics."""
    about = inspect.getdoc(sys.modules[service.api.__module__]) if service.api is not None else None
    app = create_app(f"{service.name} API", service.settings.version, about or "")
    if with_api and service.api is not None:
        app.include_router(service.api(service), responses=PROBLEMS)

    @app.get("/health", tags=["operations"])
    async def health() -> dict[str, str]:
        """The process lives. Says nothing of broker and database: restarting would not bring those back."""
        return {"status": "alive", "service": service.name}

    @app.get("/ready", tags=["operations"])
    async def ready() -> Response:
        """Whether to send work here: schema right, roles started, partitions assigned."""
        state = service.readiness()
        ok = bool(state) and all(state.values())
        return JSONResponse({"ready": ok, "checks": state}, status_code=200 if ok else 503)

    @app.get("/metrics", tags=["operations"])
    async def metrics(request: Request) -> Response:
        """Prometheus metrics; OpenMetrics with exemplars when asked for."""
        body, content_type = service.metrics.render(request.headers.get("accept"))
        return Response(body, media_type=None, headers={"content-type": content_type})

    return app
