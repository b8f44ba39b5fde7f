"""Ports on the loopback address."""

import random
import socket
from collections.abc import Collection

from deploy.local.errors import PlatformError

HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return not answers(port)


def answers(port: int) -> bool:
    """Whether something accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def choose(preferred: int | None, taken: Collection[int] = ()) -> int:
    """`preferred` if it is free, else the next free one after it; without a preference any free one.

    All lie below the range from which the system takes ports for outgoing connections, so that a server that is
    stopped for a while finds its port again.
    """
    candidates = (
        range(preferred, preferred + 200)
        if preferred is not None
        else (random.randrange(20_000, 32_000) for _ in range(200))
    )
    for port in candidates:
        if port not in taken and is_free(port):
            return port
    raise PlatformError(
        f"no free port found from {preferred}" if preferred else "no free port found",
        "end what holds the ports of 127.0.0.1, or set OMS_KAFKA and OMS_POSTGRES to servers of your own",
    )
