"""How other systems ask services: with patience, all processes in turn, and sometimes only once."""

import asyncio
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Sequence

import httpx
import pytest

from deploy.demo.services import Http, Unanswered, Unexpected


class Process:
    """One process: its statuses to answer, in turn; None hangs up."""

    def __init__(self, *answers: int | None) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        status = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if status is None:
            raise httpx.ReadError("hung up")
        return httpx.Response(status, json={"status": status})


async def asking(processes: Sequence[Process], patience: float = 15.0) -> AsyncIterator[Http]:
    async with Http(
        {"orders": [f"http://{n}.test" for n in range(len(processes))]}, patience=patience
    ) as http:
        for client, process in zip(http._clients["orders"], processes, strict=True):
            client._transport = httpx.MockTransport(process.answer)
            client._mounts = {}
        yield http


async def test_a_process_that_died_leaves_the_work_to_its_twin() -> None:
    dead, alive = Process(None), Process(202)
    async for http in asking([dead, alive]):
        for _ in range(4):
            assert (await http.post("orders", "/orders", {})).status == 202
        assert alive.asked == 4
        assert dead.asked > 0


async def test_who_asks_once_is_told_that_no_answer_came() -> None:
    for lost in (Process(None, 202), Process(503, 202)):
        async for http in asking([lost]):
            with pytest.raises(Unanswered, match="orders did not answer POST /orders"):
                await http.post_once("orders", "/orders", {})
            assert lost.asked == 1


async def test_patience_ends() -> None:
    async for http in asking([Process(None)], patience=0.05):
        with pytest.raises(Unexpected, match="asked again"):
            await http.get("orders", "/orders")


class Frozen:
    """A real server that takes connections and answers nothing until so many were made."""

    def __init__(self, until: int) -> None:
        self.until = until
        self.taken = 0

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.taken += 1
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                if self.taken >= self.until:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def stutter(frozen: Frozen) -> None:
    """An event loop on a machine that has much else to do: what was due meanwhile all happens at once."""
    while frozen.taken < frozen.until:
        await asyncio.sleep(0.05)
        time.sleep(0.06)


async def test_everybody_is_answered_after_an_outage_however_many_waited() -> None:
    frozen = Frozen(until=30)
    server = await asyncio.start_server(frozen.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, Http({"returns": url}, connections=3, seconds=0.1) as http:
        answers, _ = await asyncio.gather(
            asyncio.gather(*(http.get("returns", "/returns") for _ in range(50))), stutter(frozen)
        )
    assert {answer.status for answer in answers} == {200}
