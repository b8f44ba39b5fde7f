"""Chance that replays: every step of a history, and every person in it, draws from a source of its own.

So a step that is left out does not change what the others draw, which is what makes a failing history shrink.
"""

import random
from zlib import crc32

from deploy.demo.datasets.model import Dice, Habits

EAGER = Habits(
    cancels=0.4,
    returns=0.5,
    declines=0.15,
    gives_up=0.08,
    never_pays=0.2,
    capture_fails=0.12,
    refund_fails=0.12,
    short_picks=0.18,
    counts=0.1,
    troubles=0.3,
    lost=0.12,
    sent_back=0.12,
)
"""The demo's people, who seldom make trouble, making it all the time."""


class QuickDice(Dice):
    """The demo's dice without cryptography."""

    def __init__(self, seed: int) -> None:
        self._start = crc32(b"%d" % seed)

    def roll(self, question: str, thing: str) -> float:
        """A number in [0, 1)."""
        return crc32(f"{question}\0{thing}".encode(), self._start) / 2**32


def stream(seed: int, name: str | int) -> random.Random:
    """The source of one step or person."""
    return random.Random(hash_of(seed, name))


def hash_of(seed: int, name: str | int) -> int:
    """A number that follows from seed and name alone, in every process."""
    return crc32(f"{seed}/{name}".encode()) << 32 | crc32(f"{name}\0{seed}".encode())
