"""When a process counts as gone: only then may its successor take its port."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local import ports, processes

HALF_DEAD = """
import ctypes, socket, sys, threading
server = socket.create_server(("127.0.0.1", 0))
def rest():
    sys.stdin.read()
threading.Thread(target=rest).start()
print(server.getsockname()[1], flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""
"""Its first thread ends while another one lives on, as in a server that was just killed."""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets the first thread end before the others")
def test_a_process_is_there_until_its_last_thread_has_ended() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HALF_DEAD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None and child.stdout is not None
        record = processes.record_of(child.pid)
        assert record is not None
        port = int(child.stdout.readline())
        status = Path(f"/proc/{child.pid}/status")
        while "State:\tZ" not in status.read_text():
            assert child.poll() is None
        assert ports.answers(port), "the port is still held"
        assert processes.alive(record)
        child.stdin.close()
        assert processes.wait_gone(record, 60)
        assert ports.is_free(port)
