"""An order in a handler's hands: locked, with what is added to it until it is saved."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.orders.domain.facts import Facts, join
from services.orders.domain.order import Order
from services.orders.domain.sayings import Saying
from shared.contracts.envelope import Event
from shared.messaging.message import Command, Message
from shared.value_object import value_object


@value_object
class Entry:
    """A line of the timeline: what was heard or done, by whom, and what was said because of it."""

    sequence: int
    kind: str
    actor: str
    message_id: str | None
    detail: Mapping[str, Any]
    said: list[Mapping[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Said:
    """What an order says under this version of it, the event to emit (None: to people only), and what caused it."""

    saying: Saying
    event: Event | None
    sequence: int
    cause: Message[Any] | Command[Any]


@dataclass(slots=True)
class Held:
    """One order, locked in this transaction. `version` rises with everything heard and everything said.

    `body` and `reservation` are there while the order is not confirmed, when they are needed; a new
    reservation is put into `new_reservation` to be saved. `expected`: only a cancellation is known.
    """

    order: Order
    version: int
    trace: str
    changed_at: datetime | None = None
    deadline_at: datetime | None = None
    expected: bool = False
    fingerprint: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    reservation: Mapping[str, Any] = field(default_factory=dict)
    new_reservation: Mapping[str, Any] | None = None
    entries: list[Entry] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)

    def learn(
        self, facts: Facts, kind: str, actor: str, detail: Mapping[str, Any], message_id: str | None = None
    ) -> None:
        """Join facts and note in the timeline where they come from."""
        self.order = Order(self.order.terms, join(self.order.facts, facts))
        self.version += 1
        self.entries.append(Entry(self.version, kind, actor, message_id, detail))

    def note(self, kind: str, detail: Mapping[str, Any]) -> int:
        """Note what is said because of the last thing learnt; returns its version."""
        self.version += 1
        self.entries[-1].said.append({"sequence": self.version, "kind": kind, "detail": detail})
        return self.version
