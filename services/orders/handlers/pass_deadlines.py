"""Time has come for orders that wait: note which of their deadlines passed, and look at the rules."""

from collections.abc import Sequence

from services.orders.domain.deadlines import kind_of, passed
from services.orders.domain.facts import Facts
from services.orders.handlers.settling import settle, speak
from services.orders.store import Tx
from shared.messaging.message import Command, Done, Outcome
from shared.value_object import value_object


@value_object
class PassDeadlines:
    """At most so many orders at once."""

    limit: int


async def pass_deadlines(commands: Sequence[Command[PassDeadlines]], tx: Tx) -> Sequence[Outcome]:
    """Answers how many orders were looked at.

    Deadlines count only as far as everything sent to this service was handled: after an outage the answers
    that wait unread have come in time. Each is looked at again under the order's lock.
    """
    return [await _pass(command, tx) for command in commands]


async def _pass(command: Command[PassDeadlines], tx: Tx) -> Outcome:
    until = await tx.store.consumed_until()
    if until is None:
        return Done({"orders": 0})
    windows = tx.settings.windows
    orders = await tx.store.orders.hold(await tx.store.orders.due(until, command.value.limit))
    for held in orders.values():
        held.deadline_at = None  # It lies behind us: whatever the order waits for next counts now.
        keys = passed(held.order, windows, until)
        if keys:
            facts = Facts(passed=dict.fromkeys(keys, tx.now))
            held.learn(facts, "deadline", command.actor, {"passed": list(keys)})
            settle(held, tx, command)
            for key in keys:
                tx.measure(tx.metrics.saga_deadlines_passed.labels(kind_of(key)).inc)
    await tx.store.orders.save(orders.values(), windows)
    for held in orders.values():
        speak(held, tx)
    return Done({"orders": len(orders)})
