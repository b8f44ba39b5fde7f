"""A service in memory: the real handlers, stores, inbox, consumer and commands, over rows in dictionaries."""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, Self, TypeVar

import orjson
from sqlalchemy import MetaData

from shared.contracts.envelope import Event
from shared.contracts.registry import MODELS
from shared.db.bulk import Session
from shared.db.idempotency import IdempotencyKey
from shared.db.ids import new_id
from shared.db.transaction import Transaction
from shared.messaging.consumer import Consumer
from shared.messaging.decode import Decoder, Readable, Record, Unreadable
from shared.messaging.message import Command, CommandHandler, Outcome, Route
from shared.messaging.outbox import Outbox, Unsendable
from shared.messaging.schema import outbox
from shared.runtime.commands import Commands, _Request
from shared.telemetry.tracing import Span
from tests.simulation.memory import Database, MemorySession

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
T = TypeVar("T")
Place = tuple[str, str]
"""A topic and a key: what has an order."""


def drive(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits: nothing in memory does."""
    try:
        work.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    raise AssertionError("something waited for the outside world")


class Crash(BaseException):
    """The process is gone at this point; what was not committed never happened."""


class Letter:
    """A message on its way, its event still an object: what a Record is to bytes."""

    __slots__ = ("appended_at", "event", "id", "key", "offset", "sender_id", "timestamp_ms", "topic", "trace")
    partition = 0
    headers: tuple[tuple[str, bytes], ...] = ()
    body = b""

    def __init__(self, event: Event, message_id: str, sender_id: str, trace: str) -> None:
        self.event = event
        self.topic = event.topic
        self.key = event.key()
        self.id = message_id
        self.sender_id = sender_id
        self.trace = trace
        self.offset = 0
        self.timestamp_ms = 0
        self.appended_at = EPOCH


class Unmeasured:
    """Stands where metrics, gauges and counters do."""

    def __getattr__(self, _: str) -> Self:
        return self

    def __call__(self, *_: Any, **__: Any) -> Self:
        return self


class QuietConsumer(Consumer):
    """Measures nothing: what a histogram of seconds costs, a transaction in memory costs as well."""

    def _measure(self, *_: Any) -> None:
        pass


class Untraced:
    """Traces that follow from nothing but their number."""

    def __init__(self) -> None:
        self._number = 0

    def new_trace(self) -> str:
        """A traceparent that is not sampled."""
        self._number += 1
        return f"00-{self._number:032x}-{self._number:016x}-00"

    def start_root(self, name: str, attributes: Any = None, link: str | None = None) -> Span:
        """An order's first span."""
        return Span(self.new_trace())

    def process_span(self, *_: Any, **__: Any) -> None:
        """No span for a message that is not sampled."""


@dataclass(frozen=True)
class Blueprint:
    """What is the same in every history: how a service is put together."""

    name: str
    metadata: MetaData
    store: Callable[[Session], Any]
    routes: Sequence[Route]
    settings: Any
    ports: Any
    decoder: "QuickDecoder"


class QuickDecoder(Decoder):
    """Reads records as ever, and letters without reading."""

    def decode(self, record: Any) -> Readable | Unreadable:
        """The message in it."""
        if record.__class__ is not Letter:
            return super().decode(record)
        event = record.event
        known = self._routes.get(event.ce_type())
        if known is None:
            return Unreadable(record, "unknown_type", f"nobody here hears {event.ce_type()}")
        return Readable(record, known[1], record.id, event, record.trace, _CREATED, record.sender_id)


_CREATED = EPOCH.isoformat()


class Surroundings(Protocol):
    """What a service needs of the world it is in."""

    now: datetime
    wire: bool
    tracing: Untraced

    def before_commit(self) -> None:
        """May raise Crash."""

    def after_commit(self) -> None:
        """May raise Crash."""


class Host:
    """One service in one history. What jobs use of a Service is here under the same names."""

    def __init__(self, blueprint: Blueprint, world: Surroundings) -> None:
        self.name = blueprint.name
        self.settings = blueprint.settings
        self.ports = blueprint.ports
        self.metrics = _UNMEASURED
        self.database = Database(blueprint.metadata)
        self.outbox: dict[Place, list[Any]] = {}
        self._blueprint = blueprint
        self._world = world
        self._commands = Commands(self.begin)
        self.consumer = QuietConsumer(
            group=self.name,
            decoder=blueprint.decoder,
            begin=self.begin,
            metrics=_UNMEASURED,  # type: ignore[arg-type]
            tracing=world.tracing,  # type: ignore[arg-type]
            breaker_limit=1_000,
        )

    # --- Transactions -----------------------------------------------------------------------------------

    def begin(self) -> "_Begun":
        """One transaction, as UnitOfWork.begin."""
        return _Begun(self)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """As Service.transaction."""
        async with self.begin() as (_, tx):
            yield tx

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Any]:
        """As Service.read."""
        yield self._blueprint.store(MemorySession(self.database, self._world.now))

    async def command(self, handler: CommandHandler, value: Any, *, actor: str = "api") -> Outcome:
        """As Service.command, without a key."""
        return (await self.request(handler, [(value, None)], actor))[0]

    async def request(
        self, handler: CommandHandler, asked: Sequence[tuple[Any, str | None]], actor: str
    ) -> list[Outcome]:
        """Requests that came together, each with its Idempotency-Key, in one transaction."""
        trace = self._world.tracing.new_trace()
        requests = []
        for value, key in asked:
            known = IdempotencyKey("simulation", key, repr(value)) if key is not None else None
            command = Command(new_id(), value, actor, trace)
            requests.append(_Request(command, known, None))  # type: ignore[arg-type]
        return await self._commands._transact(handler, requests)

    # --- The outbox --------------------------------------------------------------------------------------

    def unsent(self) -> Mapping[Place, list[Any]]:
        """What waits to be published, in order, by topic and key."""
        if not self._world.wire:
            return self.outbox
        waiting: dict[Place, list[Any]] = {}
        for row in self.database.tables["outbox"].rows.values():
            waiting.setdefault((row["topic"], row["key"]), []).append(row)
        return waiting

    def was_sent(self, place: Place, sent: Sequence[Any]) -> None:
        """The broker has these: they are deleted."""
        if self._world.wire:
            session = MemorySession(self.database, self._world.now)
            drive(session.delete(outbox, "id", [row["id"] for row in sent]))
            self.database.commit()
            return
        waiting = self.outbox[place]
        del waiting[: len(sent)]
        if not waiting:
            del self.outbox[place]

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table, documents read."""
        rows = self.database.tables[table]
        documents = rows.shape.documents
        if not documents:
            return list(rows.rows.values())
        return [
            {
                name: value.read() if name in documents and value is not None else value
                for name, value in row.items()
            }
            for row in rows.rows.values()
        ]


_UNMEASURED: Any = Unmeasured()


class _Letters(Outbox):
    """The outbox of a transaction whose events stay objects."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []

    def __len__(self) -> int:
        return len(self.letters)

    def add(
        self,
        event: Event,
        *,
        trace: str,
        sequence: int,
        now: datetime,
        cause: str | None = None,
        tracestate: str = "",
    ) -> str:
        """As Outbox.add, without bytes."""
        if MODELS.get(event.ce_type()) is not type(event):
            raise Unsendable(f"{event.ce_type()} is not in the registry of contracts")
        message_id = new_id()
        self.letters.append(Letter(event, message_id, message_id, trace))
        return message_id

    async def flush(self, session: Session) -> int:
        """They are said if the transaction commits."""
        return len(self.letters)


class _Begun:
    """The block of one transaction: commits at its end, rolls back when it raises or the process dies."""

    __slots__ = ("_host", "_outbox", "_session")

    def __init__(self, host: Host) -> None:
        self._host = host

    async def __aenter__(self) -> tuple[Session, Transaction[Any, Any]]:
        host = self._host
        world = host._world
        self._session = MemorySession(host.database, world.now)
        self._outbox: Outbox = Outbox(f"/oms/{host.name}", 1, "") if world.wire else _Letters()
        transaction: Transaction[Any, Any] = Transaction(
            now=world.now,
            store=host._blueprint.store(self._session),
            settings=host.settings,
            ports=host.ports,
            outbox=self._outbox,
            tracing=world.tracing,  # type: ignore[arg-type]
            metrics=_UNMEASURED,
        )
        return self._session, transaction

    async def __aexit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        host = self._host
        if error is None:
            try:
                await self._outbox.flush(self._session)
                host._world.before_commit()
            except BaseException:
                host.database.rollback()
                raise
            host.database.commit()
            if isinstance(self._outbox, _Letters):
                for letter in self._outbox.letters:
                    host.outbox.setdefault((letter.topic, letter.key), []).append(letter)
            host._world.after_commit()
        else:
            host.database.rollback()


def as_record(row: Mapping[str, Any]) -> Record:
    """A row of the outbox as the broker gets it."""
    headers = [(name, value.encode()) for name, value in orjson.loads(row["headers"])]
    return Record(row["topic"], 0, 0, 0, row["key"].encode(), headers, row["body"])
