"""The proxy between services and servers, with a server that answers what it is told."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from deploy.local import ports
from tests.chaos.proxy import Mode, Proxy


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
    writer.close()


@pytest.fixture
async def proxied() -> AsyncIterator[tuple[Proxy, int]]:
    """A proxy before an echo, and its port."""
    server = await asyncio.start_server(_echo, ports.HOST, 0)
    proxy = Proxy(server.sockets[0].getsockname()[1])
    front = await asyncio.start_server(proxy.accept, ports.HOST, 0)
    yield proxy, front.sockets[0].getsockname()[1]
    front.close()
    server.close()


async def _said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> float:
    """Seconds until all of it came back."""
    began = time.monotonic()
    writer.write(data)
    assert await reader.readexactly(len(data)) == data
    return time.monotonic() - began


async def test_it_passes_everything(proxied: tuple[Proxy, int]) -> None:
    reader, writer = await asyncio.open_connection(ports.HOST, proxied[1])
    await _said(reader, writer, bytes(range(256)) * 4_000)
    writer.close()


async def test_cut_connections_are_reset_and_new_ones_pass(proxied: tuple[Proxy, int]) -> None:
    proxy, port = proxied
    reader, writer = await asyncio.open_connection(ports.HOST, port)
    await _said(reader, writer, b"before")
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    reader, writer = await asyncio.open_connection(ports.HOST, port)
    await _said(reader, writer, b"after")
    writer.close()


async def test_delay_and_trickle_take_their_time(proxied: tuple[Proxy, int]) -> None:
    proxy, port = proxied
    reader, writer = await asyncio.open_connection(ports.HOST, port)
    proxy.mode = Mode(delay=0.1)
    assert await _said(reader, writer, b"x") >= 0.2, "there and back"
    proxy.mode = Mode(rate=1_000)
    assert await _said(reader, writer, b"x" * 500) >= 0.4, "five pieces, a tenth of a second apart"
    proxy.mode = Mode()
    await _said(reader, writer, b"x" * 500)
    writer.close()


async def test_a_server_that_is_away_is_a_reset(proxied: tuple[Proxy, int]) -> None:
    proxy, port = proxied
    proxy._target = ports.choose(None, ())
    reader, _ = await asyncio.open_connection(ports.HOST, port)
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
