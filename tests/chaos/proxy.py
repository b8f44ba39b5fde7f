"""A TCP proxy between the services and their servers: passes, cuts, delays, trickles.

    python -m tests.chaos.proxy '{"kafka": [20001, 19092], "postgres": [20002, 15432]}'

It listens on the first port of each pair and speaks to the second. Orders come as JSON lines on standard input:
`{"server": "kafka", "mode": {"delay": 0.2}}` changes how it treats all connections, `{"server": "kafka", "cut": true}`
resets those there are. It ends with its input. In a process of its own, so that the load generator is not slowed.
"""

import asyncio
import json
import socket
import struct
import sys
from types import TracebackType
from typing import Self

import uvloop
from pydantic import BaseModel

from deploy.local import ports
from deploy.local.settings import ROOT

_CHUNK = 65_536
_TICK = 0.1
_RESET = struct.pack("ii", 1, 0)


class Mode(BaseModel):
    """How bytes are treated."""

    delay: float = 0.0
    """Seconds that every chunk waits, in each direction."""
    rate: int = 0
    """Most bytes per second, connection and direction; 0: any number."""


class Order(BaseModel):
    """What is to change."""

    server: str
    mode: Mode | None = None
    cut: bool = False


class Proxy:
    """One listening port in front of one server."""

    def __init__(self, target: int) -> None:
        self.mode = Mode()
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        try:
            far_reader, far_writer = await asyncio.open_connection(ports.HOST, self._target)
        except OSError:
            reset(writer)  # As a server that is not there.
            return
        both = (writer, far_writer)
        self._writers.update(both)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, far_writer))
                pumps.create_task(self._pump(far_reader, writer))
        except* OSError:
            pass  # Either side hung up: the other is told below.
        finally:
            for end in both:
                self._writers.discard(end)
                reset(end)
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            if self.mode.delay:
                await asyncio.sleep(self.mode.delay)
            while data and self.mode.rate:
                piece = max(1, int(self.mode.rate * _TICK))
                writer.write(data[:piece])
                data = data[piece:]
                await asyncio.sleep(_TICK)
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError("the other side hung up")

    def cut(self) -> None:
        """Reset every connection."""
        for writer in list(self._writers):
            reset(writer)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close at once and without a farewell, as a cable that is pulled."""
    sock: socket.socket | None = writer.get_extra_info("socket")
    if sock is not None and not writer.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        writer.transport.abort()


async def serve(pairs: dict[str, tuple[int, int]]) -> None:
    """Proxy until the input ends."""
    proxies = {name: Proxy(target) for name, (_, target) in pairs.items()}
    for name, (port, _) in pairs.items():
        await asyncio.start_server(proxies[name].accept, ports.HOST, port)
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    print("listening", flush=True)
    while line := await orders.readline():
        order = Order.model_validate_json(line)
        proxy = proxies[order.server]
        proxy.mode = order.mode or proxy.mode
        if order.cut:
            proxy.cut()


class Network:
    """The proxy as the run sees it: start, give orders, stop."""

    def __init__(self, targets: dict[str, int]) -> None:
        self.ports: dict[str, int] = {}
        taken: list[int] = []
        for name in targets:
            self.ports[name] = ports.choose(None, taken)
            taken.append(self.ports[name])
        self._pairs = {name: (self.ports[name], target) for name, target in targets.items()}
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.chaos.proxy", json.dumps(self._pairs), cwd=ROOT,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        if not await self._process.stdout.readline():
            raise RuntimeError("the proxy did not start")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    def order(self, order: Order) -> None:
        """Change something now."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(order.model_dump_json(exclude_none=True).encode() + b"\n")


if __name__ == "__main__":
    uvloop.run(serve({name: tuple(pair) for name, pair in json.loads(sys.argv[1]).items()}))
