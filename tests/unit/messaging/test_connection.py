"""A connection to the broker that was reset, in the event loop that services run in."""

import asyncio
from typing import Any

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from shared.messaging import client


async def _send_after_a_reset(send: Any) -> None:
    """Send before the client has noticed that its connection is gone."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with server:
        address = server.sockets[0].getsockname()[:2]
        connection = AIOKafkaConnection(*address)
        connection._reader, connection._writer = await asyncio.open_connection(*address)
        connection._read_task = asyncio.create_task(asyncio.sleep(60))
        connection._versions = {MetadataRequest([]).API_KEY: (0, 5)}
        connection._writer.transport.abort()
        await asyncio.sleep(0)
        await send(connection, MetadataRequest([]))


def test_sending_on_a_connection_that_was_reset_is_an_error_of_the_connection() -> None:
    assert AIOKafkaConnection.send is client._send_or_fail, "every client of the process sends so"
    with pytest.raises(KafkaConnectionError, match="was reset"):
        uvloop.run(_send_after_a_reset(AIOKafkaConnection.send))


def test_left_alone_it_would_be_no_error_that_anybody_expects() -> None:
    """When this fails, aiokafka or uvloop have learnt it and `_send_or_fail` can go."""
    with pytest.raises(RuntimeError, match="closed"):
        uvloop.run(_send_after_a_reset(client._send))
