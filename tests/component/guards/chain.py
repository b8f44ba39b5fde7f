"""All five services without a broker: what one says is handed to those who hear it, a topic at a time.

So every handler gets batches of exactly the size that was asked for, and everything it costs can be counted.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

import orjson
from sqlalchemy import text

from shared.contracts.envelope import Event
from shared.contracts.registry import MODELS
from shared.db.ids import new_id
from shared.messaging.decode import Record
from shared.messaging.message import Command, CommandHandler, Done
from shared.runtime.service import Service
from tests.component.guards.counting import Cost, counted

E = TypeVar("E", bound=Event)
Answer = Callable[[Event], Iterable[Event]]
"""What other systems say to an event."""

_offsets = count()


@dataclass
class Chain:
    """The services, what was heard, and what each handler cost."""

    services: Mapping[str, Service[Any, Any]]
    answer: Answer
    heard: list[Event] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)
    """Messages by topic, other systems' included."""
    sent_bytes: Counter[str] = field(default_factory=Counter)
    """Keys, values and headers of them."""
    costs: dict[str, list[tuple[int, Cost]]] = field(default_factory=lambda: defaultdict(list))
    """Of each `service.handler`: size of the batch and what it cost."""

    async def say(self, events: Sequence[Event]) -> None:
        """Other systems say these; returns when nobody has anything to add."""
        await self._spread([_record(event) for event in events])

    async def command(
        self, service: str, handler: CommandHandler, values: Sequence[Any]
    ) -> list[Mapping[str, Any]]:
        """Carry out commands as one batch; everything said because of it is heard. All have to be done."""
        room = self.services[service]
        with counted() as cost:
            async with room.unit.begin() as (_, tx):
                commands = [Command(new_id(), value, "guard", room.tracing.new_trace()) for value in values]
                outcomes = await handler(commands, tx)
        self.costs[f"{service}.{handler.__name__}"].append((len(values), cost))
        assert all(isinstance(outcome, Done) for outcome in outcomes), outcomes[:3]
        await self._spread(await self._outboxes())
        return [outcome.body for outcome in outcomes if isinstance(outcome, Done)]

    def all(self, model: type[E]) -> list[E]:
        """Events of a type heard so far."""
        return [event for event in self.heard if isinstance(event, model)]

    def forget(self) -> None:
        """Begin to hear and to count anew."""
        self.heard.clear()
        self.sent.clear()
        self.sent_bytes.clear()

    async def parked(self) -> list[Mapping[str, Any]]:
        """Messages that no handler could take."""
        letters: list[Mapping[str, Any]] = []
        for service in self.services.values():
            async with service.engine.connect() as connection:
                found = await connection.execute(text("SELECT handler, reason, error FROM dead_letters"))
                letters += [dict(row) for row in found.mappings()]
        return letters

    async def remembered(self) -> dict[str, int]:
        """Messages in the inbox of each service."""
        counts = {}
        for name, service in self.services.items():
            async with service.engine.connect() as connection:
                counts[name] = (await connection.execute(text("SELECT count(*) FROM inbox"))).scalar_one()
        return counts

    async def _spread(self, records: Sequence[Record]) -> None:
        while records:
            for topic in sorted({record.topic for record in records}):
                await self._deliver(topic, [record for record in records if record.topic == topic])
            records = [*await self._outboxes(), *(_record(said) for said in self._answers(records))]

    async def _deliver(self, topic: str, records: Sequence[Record]) -> None:
        self.sent[topic] += len(records)
        for record in records:
            headers = sum(len(name or "") + len(value or b"") for name, value in record.headers)
            self.sent_bytes[topic] += len(record.key or b"") + len(record.body or b"") + headers
            model = MODELS[f"{topic}.v1"]
            self.heard.append(model.model_validate_json(record.body or b""))
        for name, service in self.services.items():
            if topic not in service.decoder.topics:
                continue
            route = next(
                route for route in service.routes if any(event.topic == topic for event in route.events)
            )
            with counted() as cost:
                await service.consumer.handle(records)
            self.costs[f"{name}.{route.name}"].append((len(records), cost))

    async def _outboxes(self) -> list[Record]:
        records = []
        for service in self.services.values():
            async with service.engine.begin() as connection:
                rows = await connection.execute(
                    text("DELETE FROM outbox RETURNING id, topic, key, headers, body")
                )
                for _, topic, key, headers, body in sorted(rows.all()):
                    pairs = [(name, value.encode()) for name, value in orjson.loads(bytes(headers))]
                    records.append(_numbered(topic, key, pairs, bytes(body)))
        return records

    def _answers(self, records: Sequence[Record]) -> list[Event]:
        events = [MODELS[f"{record.topic}.v1"].model_validate_json(record.body or b"") for record in records]
        return [said for event in events for said in self.answer(event)]


def _record(event: Event) -> Record:
    headers = [("ce_specversion", b"1.0"), ("ce_id", new_id().encode()), ("ce_type", event.ce_type().encode()),
               ("ce_source", b"/guards"), ("content-type", b"application/json")]  # fmt: skip
    return _numbered(event.topic, event.key(), headers, event.model_dump_json(exclude_none=True).encode())


def _numbered(topic: str, key: str, headers: Any, body: bytes) -> Record:
    return Record(topic, 0, next(_offsets), time.time_ns() // 1_000_000, key.encode(), headers, body)
