"""A failing history made as short as it will go, while it still fails in the same way."""

from collections.abc import Callable
from dataclasses import replace

from tests.simulation.history import Script

Fails = Callable[[Script], bool]


def shrink(script: Script, fails: Fails) -> Script:
    """Leave out orders, then steps in ever smaller pieces. What is left fails; no single step of it can go."""
    script = _fewer_orders(script, fails)
    size = max(1, len(script.steps) // 2)
    while True:
        shorter = _without_pieces(script, size, fails)
        if shorter is script and size == 1:
            return _fewer_orders(script, fails)
        script, size = shorter, max(1, size // 2)


def _fewer_orders(script: Script, fails: Fails) -> Script:
    for number in script.orders:
        fewer = replace(script, orders=tuple(one for one in script.orders if one != number))
        if fewer.orders and fails(fewer):
            script = fewer
    return script


def _without_pieces(script: Script, size: int, fails: Fails) -> Script:
    start = len(script.steps) - size
    while start > -size:
        first = max(0, start)
        shorter = replace(script, steps=script.steps[:first] + script.steps[start + size :])
        if shorter.steps != script.steps and fails(shorter):
            script = shorter
        start -= size
    return script
