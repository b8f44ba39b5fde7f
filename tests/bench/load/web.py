"""A few connections that POST JSON: an HTTP/1.1 client that costs little, so that the server is what is measured."""

import asyncio
from collections.abc import Sequence
from urllib.parse import urlsplit


class Unanswered(ConnectionError):
    """The server closed a connection instead of answering."""


class Web:
    """Keeps connections open and hands a request to the next idle one."""

    def __init__(self, url: str, connections: int) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._count = connections
        self._idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self._all: Sequence[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = ()

    async def start(self) -> None:
        """Connect."""
        self._all = [await asyncio.open_connection(self._host, self._port) for _ in range(self._count)]
        for connection in self._all:
            self._idle.put_nowait(connection)

    async def stop(self) -> None:
        """Hang up."""
        for _, writer in self._all:
            writer.close()

    async def post(self, path: str, body: bytes, key: str) -> tuple[int, bytes]:
        """Status and body of the answer."""
        connection = await self._idle.get()
        try:
            reader, writer = connection
            writer.write(
                f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
                f"Idempotency-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head[9:12])
            length = next(
                (int(line[15:]) for line in head.split(b"\r\n") if line[:15].lower() == b"content-length:"), 0
            )
            return status, await reader.readexactly(length) if length else b""
        except asyncio.IncompleteReadError as error:
            raise Unanswered(f"connection closed after {len(error.partial)} bytes") from error
        finally:
            self._idle.put_nowait(connection)
