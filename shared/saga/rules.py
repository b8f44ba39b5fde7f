"""Facts and rules: how a process that spans services decides what to say next.

A process is a value of facts that only ever join, and a list of rules looked at from top to bottom
whenever facts changed. What a rule says becomes a fact at once, so that no rule says a thing twice and
the rules below already know it. Standard library only, so that a domain may use it.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from shared.value_object import value_object

F = TypeVar("F")
T = TypeVar("T")


@value_object
class Rule(Generic[F, T]):
    """When this is so, say that. `say` may give nothing, or several things of one kind."""

    name: str
    when: Callable[[F], bool]
    say: Callable[[F], Iterable[T]]


def apply(rules: Sequence[Rule[F, T]], facts: F, remember: Callable[[F, T], F]) -> tuple[F, tuple[T, ...]]:
    """Look at the rules once, top to bottom; returns the facts with what was said, and what was said in order.

    `remember` joins to the facts that a thing was said. With rules whose conditions ask whether a thing
    was said before, applying them again to the result says nothing.
    """
    said: list[T] = []
    for rule in rules:
        if rule.when(facts):
            for thing in tuple(rule.say(facts)):
                facts = remember(facts, thing)
                said.append(thing)
    return facts, tuple(said)
