"""Ctrl-C, SIGTERM and a closed terminal end a run in one way: once, in order, and to its end.

Ending takes a few seconds, in which people press Ctrl-C again; that must not leave servers behind. So the first
signal ends the run, and later ones are answered with a line.
"""

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _heeded() -> list[signal.Signals]:
    """Those that whoever started us (nohup, a shell's background job) did not switch off."""
    return [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def _say(*_: object) -> None:
    sys.stderr.write("\nstopping what was started: this takes a few seconds\n")


@contextmanager
def interruptible() -> Iterator[None]:
    """In this block the first signal raises KeyboardInterrupt."""

    def end(_number: int, _frame: FrameType | None) -> None:
        _deafen()
        _say()
        raise KeyboardInterrupt

    for number in _heeded():
        signal.signal(number, end)
    yield


def _deafen() -> None:
    for number in _heeded():
        signal.signal(number, _say)


@contextmanager
def uninterruptible() -> Iterator[None]:
    """In this block signals are answered and change nothing: what was started is being stopped."""
    before = {number: signal.getsignal(number) for number in _heeded()}
    _deafen()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def cancelling(task: "asyncio.Task[object]") -> Iterator[None]:
    """In this block, inside an event loop, the first signal cancels `task`: at a point where it waits, and once."""
    loop = asyncio.get_running_loop()
    heeded = _heeded()

    def end() -> None:
        for number in heeded:
            loop.add_signal_handler(number, _say)
        _say()
        task.cancel()

    for number in heeded:
        loop.add_signal_handler(number, end)
    try:
        yield
    finally:
        for number in heeded:
            loop.remove_signal_handler(number)
            signal.signal(number, _say)
