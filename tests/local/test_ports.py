"""Whose port is it? A stranger that took the port which was found free must not pass for our server."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import native_kafka, ports, processes
from deploy.local.processes import ProcessRecord

LISTEN = """
import socket, time
server = socket.create_server(("127.0.0.1", {port}))
print("listens", flush=True)
time.sleep(600)
"""


@pytest.fixture
def started(tmp_path: Path) -> Iterator[tuple[int, ProcessRecord, ProcessRecord]]:
    """A port, the process that listens there, and one that does not."""
    port = ports.choose(None)
    log = tmp_path / "listener.log"
    begin = lambda code: processes.start(  # noqa: E731
        [sys.executable, "-c", code], log=log, folder=tmp_path, environment=os.environ
    )
    stranger, ours = begin(LISTEN.format(port=port)), begin("import time; time.sleep(600)")
    while "listens" not in log.read_text():
        assert processes.alive(stranger)
    yield port, stranger, ours
    for record in (stranger, ours):
        processes.stop(record, signal.SIGKILL)


def test_a_process_listens_where_it_listens_itself(started: tuple[int, ProcessRecord, ProcessRecord]) -> None:
    port, stranger, ours = started
    assert processes.listens(stranger, port)
    assert not processes.listens(stranger, port + 1)
    assert not processes.listens(ours, port)


def test_a_broker_of_somebody_else_is_not_ours(
    started: tuple[int, ProcessRecord, ProcessRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, stranger, ours = started
    monkeypatch.setattr(native_kafka, "broker_count", lambda _: 1)
    address = f"{ports.HOST}:{port}"
    assert not native_kafka._wait_until_ready(address, patience=0.5, process=ours)
    assert native_kafka._wait_until_ready(address, patience=60, process=stranger)
