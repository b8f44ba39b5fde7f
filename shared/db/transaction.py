"""The only place that commits: rows and what is said about them become true together."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from shared.contracts.envelope import Event
from shared.db.bulk import Session
from shared.messaging.message import Command, Message
from shared.messaging.outbox import Outbox
from shared.telemetry.metrics import Metrics
from shared.telemetry.tracing import Span, Tracing, same_trace

S = TypeVar("S")
C = TypeVar("C")

Cause = Message[Any] | Command[Any] | None


class Transaction(Generic[S, C]):
    """What a handler works with. `now` is database time (UTC), the only clock a handler knows.

    `store` reads and writes rows, `settings` and `ports` are the service's; `emit` says something to
    the world and `measure` records a metric, which happens if and only if the transaction commits.
    """

    def __init__(
        self, *, now: datetime, store: S, settings: C, ports: Any, outbox: Outbox, tracing: Tracing,
        metrics: Metrics,
    ) -> None:  # fmt: skip
        self.now = now
        self.store = store
        self.settings = settings
        self.ports = ports
        self.metrics = metrics
        self._outbox = outbox
        self._tracing = tracing
        self._spans: list[Span] = []
        self._measurements: list[Callable[[], object]] = []

    def emit(self, event: Event, *, trace: str, cause: Cause = None, sequence: int = 1) -> None:
        """Say `event` when this commits. The caller holds the lock of the aggregate it is about.

        `trace` is the traceparent kept on the aggregate: an order is one trace. When the cause belongs
        to the same trace, the event is its child; a cause of another trace is not followed. `sequence`
        is the aggregate's version, so that others can order what they read. Raises Unsendable.
        """
        parent, state = trace, ""
        if cause is not None and same_trace(cause.trace, trace):
            parent, state = cause.trace, cause.tracestate
        self._outbox.add(
            event,
            trace=parent,
            tracestate=state,
            sequence=sequence,
            now=self.now,
            cause=cause.id if cause is not None else None,
        )

    def new_trace(self, cause: Cause, name: str = "place order") -> str:
        """Start an aggregate's trace: a root span of its own, linked to the trace of what caused it."""
        span = self._tracing.start_root(name, link=cause.trace if cause is not None else None)
        self._spans.append(span)
        return span.traceparent

    def measure(self, record: Callable[[], object]) -> None:
        """Record something in `metrics` when this commits: what is rolled back and tried again counts once.

        `record` is quick and cannot fail, as in `tx.measure(tx.metrics.saga_started.inc)`.
        """
        self._measurements.append(record)

    def close(self, error: BaseException | None) -> None:
        """End the spans begun here and record what was measured; called once, after the commit or the rollback."""
        for span in self._spans:
            span.end(error=error)
        if error is None:
            for record in self._measurements:
                record()


@dataclass(frozen=True)
class UnitOfWork(Generic[S, C]):
    """How a service opens transactions: everything one needs, bound once at the start."""

    engine: AsyncEngine
    make_store: Callable[[Session], S]
    settings: C
    ports: Any
    tracing: Tracing
    metrics: Metrics
    make_outbox: Callable[[], Outbox]
    wake_relay: Callable[[], None]

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[tuple[Session, Transaction[S, C]]]:
        """One transaction: commits when the block ends, rolls back when it raises."""
        error: BaseException | None = None
        said = 0
        transaction: Transaction[S, C] | None = None
        try:
            async with open_session(self.engine) as session:
                outbox = self.make_outbox()
                transaction = Transaction(
                    now=session.now,
                    store=self.make_store(session),
                    settings=self.settings,
                    ports=self.ports,
                    outbox=outbox,
                    tracing=self.tracing,
                    metrics=self.metrics,
                )
                yield session, transaction
                said = await outbox.flush(session)
        except BaseException as raised:
            error = raised
            raise
        finally:
            if transaction is not None:
                transaction.close(error)
        if said:
            self.wake_relay()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[S]:
        """A read-only view: one snapshot for all the queries of a request."""
        async with open_session(self.engine, "ISOLATION LEVEL REPEATABLE READ READ ONLY") as session:
            yield self.make_store(session)


@asynccontextmanager
async def open_session(engine: AsyncEngine, mode: str = "") -> AsyncIterator[Session]:
    """A transaction of this `mode` (SQL), begun together with the question for its time, in one round trip.

    Commits when the block ends, rolls back when it raises.
    """
    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        cursor = await driver.execute(f"BEGIN {mode}; SELECT now()")
        cursor.nextset()
        (now,) = await cursor.fetchone()
        yield Session(connection, driver, now)
        # After an error the pool rolls back what was begun, before anybody else gets the connection.
        await driver.commit()
