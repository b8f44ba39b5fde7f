"""One service in one process: start order, roles, health, a watchdog, and a stop that loses nothing."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog
from fastapi import APIRouter

from shared.db.bulk import Session
from shared.db.engine import create_engine
from shared.db.idempotency import IdempotencyKey
from shared.db.ids import new_id
from shared.db.migrate import Schema
from shared.db.migrate import schema as schema_of
from shared.db.transaction import Transaction, UnitOfWork
from shared.messaging import dead_letters, schema, upkeep
from shared.messaging.consumer import Consumer
from shared.messaging.decode import Decoder
from shared.messaging.kafka import KafkaError, KafkaSource
from shared.messaging.message import Command, CommandHandler, Outcome, Route
from shared.messaging.outbox import Outbox
from shared.messaging.relay import Relay
from shared.messaging.retry import backoff, transient
from shared.runtime.commands import Commands
from shared.runtime.http import RequestContext
from shared.runtime.server import CannotListen, HttpServer
from shared.runtime.settings import ServiceSettings
from shared.telemetry import tracing as telemetry
from shared.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

S = TypeVar("S")
C = TypeVar("C", bound=ServiceSettings)

ROLES = ("api", "consumer", "relay", "jobs")
EXIT_STUCK = 70
EXIT_MESSAGES_LOST = 71
EXIT_WRONG_SCHEMA = 72
EXIT_CANNOT_LISTEN = 73
# Looking costs more the more there is, and must not take the time of those who work: it rests this much longer.
_REST = 9


@dataclass(frozen=True)
class Job:
    """Timed work. `run` returns how many things it did; more than zero means: again at once.

    It runs `every` so many seconds, and rests at least `rest` times as long as it took: work that reads all there is
    gives a large one, so that it takes the same small share of the database however much there is.
    """

    name: str
    every: float
    run: Callable[[Any], Awaitable[int]]
    rest: float = _REST

    def pause(self, took: float) -> float:
        """Seconds to the next run after one of `took` seconds that found nothing more to do."""
        return max(self.every, self.rest * took)


class Service(Generic[S, C]):
    """Everything a service is made of, and how it lives.

    Roles may run in one process or apart: `api` answers HTTP, `consumer` handles messages, `relay`
    publishes the outbox, `jobs` does timed work. Several processes with the same role work together.
    """

    def __init__(
        self,
        *,
        name: str,
        settings: C,
        metadata: Any,
        store: Callable[[Session], S],
        routes: Sequence[Route],
        jobs: Sequence[Job] = (),
        api: "Callable[[Service[S, C]], APIRouter] | None" = None,
        ports: Any = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self.metadata = metadata
        self.routes = routes
        self.jobs = jobs
        self.api = api
        self.ports = ports
        self.metrics = Metrics(name)
        lost = self.metrics.telemetry_spans_lost
        self.tracing = telemetry.configure(
            name, settings.otlp_endpoint, settings.trace_ratio, settings.version, on_lost=lost.inc
        )
        self.engine = create_engine(
            settings.database_url, application=f"oms-{name}", pool_size=settings.pool_size
        )
        self.relays = [self._relay(shard) for shard in range(settings.outbox_shards)]
        self.unit = UnitOfWork(
            engine=self.engine,
            make_store=store,
            settings=settings,
            ports=ports,
            tracing=self.tracing,
            metrics=self.metrics,
            make_outbox=lambda: Outbox(f"/oms/{name}", settings.outbox_shards, settings.topic_prefix),
            wake_relay=self._wake_relays,
        )
        self.decoder = Decoder(routes)
        self.consumer = Consumer(
            group=name,
            decoder=self.decoder,
            begin=self.unit.begin,
            metrics=self.metrics,
            tracing=self.tracing,
            breaker_limit=settings.breaker_limit,
        )
        self.source = self._source()
        self.commands = Commands(self.unit.begin)
        self.server = HttpServer(self)
        self.exit_code = 0
        self._outbox_rows = 0
        self._stop = asyncio.Event()
        self._ready: dict[str, bool] = {}
        self._tasks: list[asyncio.Task[None]] = []

    # --- What jobs and APIs use ------------------------------------------------------------------------

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction[S, C]]:
        """A transaction for a job; commits at the end of the block."""
        async with self.unit.begin() as (_, transaction):
            yield transaction

    def read(self) -> AbstractAsyncContextManager[S]:
        """The store, read-only, in one snapshot."""
        return self.unit.read()

    async def command(
        self,
        handler: CommandHandler,
        value: Any,
        *,
        request: RequestContext | None = None,
        actor: str = "api",
    ) -> Outcome:
        """Carry out a command once. Under an Idempotency-Key, asking again answers what was answered."""
        if request is None:
            command = Command(new_id(), value, actor, self.tracing.new_trace())
        else:
            command = Command(new_id(), value, request.actor, request.trace, request.tracestate)
        key = None
        if request is not None and request.idempotency_key is not None:
            key = IdempotencyKey(request.scope, request.idempotency_key, request.fingerprint)
        return await self.commands.run(handler, command, key)

    # --- Life -----------------------------------------------------------------------------------------

    async def run(self, roles: Sequence[str] = ROLES) -> int:
        """Live until SIGTERM or SIGINT, then drain; returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        try:
            async with self.running(roles):
                await self._stop.wait()
        except CannotListen as error:
            log.critical("cannot listen", at=error.address, error=str(error), remedy=error.remedy)
            return EXIT_CANNOT_LISTEN
        return self.exit_code

    def stop(self, exit_code: int = 0) -> None:
        """Ask the service to drain and end."""
        self.exit_code = self.exit_code or exit_code
        self._stop.set()

    @asynccontextmanager
    async def running(self, roles: Sequence[str] = ROLES) -> AsyncIterator["Service[S, C]"]:
        """The service as a block: started when the block begins, drained when it ends.

        The HTTP server starts first, so that liveness answers while the database or the broker is away.
        """
        await self.server.start(with_api="api" in roles)
        starting = asyncio.create_task(self._start(roles))
        self._tasks.append(starting)
        starting.add_done_callback(self._ended)
        try:
            yield self
        finally:
            await self._drain(starting)

    async def _start(self, roles: Sequence[str]) -> None:
        self._ready = dict.fromkeys(roles, False)
        await self._persist("database", self._check_schema)
        if self._stop.is_set():
            return
        self._ready["api"] = True
        if "relay" in roles:
            for relay in self.relays:
                self._spawn(relay.run(), f"relay-{relay.shard}")
            self._ready["relay"] = True
        if "consumer" in roles and self.routes:
            await self._persist("broker", self.source.start)
            self._spawn(self._keep_positions(), "positions")
            self._spawn(self._watch(), "watchdog")
        self._ready["consumer"] = True
        if "jobs" in roles:
            for job in (*self.jobs, *_UPKEEP):
                self._spawn(self._repeat(job), job.name)
        self._ready["jobs"] = True
        self._spawn(self._measure(), "measure")
        log.info("started", roles=list(roles), pid=os.getpid(), port=self.settings.http_port)

    async def _persist(self, what: str, step: Callable[[], Awaitable[None]]) -> None:
        """Try a step of the start until it works: a database or broker that is away comes back."""
        for pause in backoff(first=0.2):
            if self._stop.is_set():
                return
            try:
                await step()
                return
            except Exception as error:
                if transient(error) is None and not isinstance(error, KafkaError):
                    raise
                log.warning("waiting for " + what, error=repr(error)[:200], pause=round(pause, 2))
                await self._sleep(pause)

    async def schema(self) -> Schema:
        """Whether this code may run on its database as it is."""
        return await schema_of(self.engine, self.name)

    async def _check_schema(self) -> None:
        found = await self.schema()
        revisions = {"found": found.found, "expected": found.expected}
        if found.problem is not None:
            log.critical("wrong schema", **revisions, problem=found.problem, remedy=found.remedy)
            self.stop(EXIT_WRONG_SCHEMA)
        elif found.newer:
            log.warning("schema is newer than this release, as while a release is rolled out", **revisions)
        self.metrics.build_info.labels(self.settings.version, str(found.found)).set(1)

    async def _drain(self, starting: asyncio.Task[None]) -> None:
        """Stop taking work, finish what is under way, send what was committed, leave. Bounded."""
        self._stop.set()
        self._ready.clear()
        self.consumer.waiting.interrupt.set()
        starting.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await starting
        await self.server.stop()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.commands.close(), 10)
        try:
            await asyncio.wait_for(self.source.stop(), self.settings.drain_seconds + 5)
        except Exception as error:
            # Its session ends without us; what was committed must still be sent.
            log.warning("left the group without a farewell", error=repr(error)[:300])
        relays = [task for task in self._tasks if task.get_name().startswith("relay")]
        for task in self._tasks:
            if task not in relays:
                task.cancel()
        await asyncio.gather(*(task for task in self._tasks if task not in relays), return_exceptions=True)
        for relay in self.relays:
            relay.stop()
        if relays:
            _, unfinished = await asyncio.wait(relays, timeout=10)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*relays, return_exceptions=True)
        await self.engine.dispose()
        await asyncio.to_thread(self.tracing.shutdown)
        log.info("stopped", exit_code=self.exit_code)

    def readiness(self) -> dict[str, bool]:
        """What must be true before requests or messages are sent here."""
        ready = dict(self._ready)
        if ready.get("consumer") and self.routes and "consumer" in self._ready:
            ready["assigned"] = self.source.consumer is None or self.source.open
        return ready

    def overload(self) -> str | None:
        """Why no new work should be taken now, from what was last measured; None while all is well."""
        if self._outbox_rows > self.settings.intake_max_outbox:
            return (
                f"{self._outbox_rows} messages wait to be sent, more than {self.settings.intake_max_outbox}"
            )
        lag = sum(each.records for each in self.source.lag().values())
        if lag > self.settings.intake_max_lag:
            return f"{lag} messages wait to be read, more than {self.settings.intake_max_lag}"
        return None

    # --- Timed work -----------------------------------------------------------------------------------

    async def _repeat(self, job: Job) -> None:
        pauses = backoff(first=0.5, longest=30.0)
        while not self._stop.is_set():
            try:
                started = time.monotonic()
                did = await job.run(self)
                pauses = backoff(first=0.5, longest=30.0)
                if did == 0:
                    await self._sleep(job.pause(time.monotonic() - started))
            except Exception as error:
                pause = next(pauses)
                if transient(error) is None:
                    log.exception("job failed", job=job.name, pause=round(pause, 2))
                else:
                    log.warning("job waits", job=job.name, error=transient(error), pause=round(pause, 2))
                await self._sleep(pause)

    async def _keep_positions(self) -> None:
        while not self._stop.is_set():
            await self._sleep(self.settings.progress_seconds)
            if self.source.assignment():
                with suppress(Exception):
                    # Only a lower bound for deadlines: a write that fails is made up by the next.
                    async with self.unit.begin() as (session, _):
                        await upkeep.store_positions(session, self.source.positions())

    async def _watch(self) -> None:
        """End the process when the consumer hangs: a restart heals what waiting does not."""
        stuck = self.settings.stuck_seconds
        look_at = 0.0
        found_at: float | None = None
        while not self._stop.is_set():
            await self._sleep(min(1.0, stuck / 4))
            if self.source.fatal is not None:
                log.critical("messages lost to retention", error=str(self.source.fatal))
                self.stop(EXIT_MESSAGES_LOST)
                return
            if self.source.task_died:
                log.critical("consumer died", remedy="the process ends so that its supervisor restarts it")
                self.stop(EXIT_STUCK)
                return
            if self._still() < stuck:
                found_at = None
                continue
            if time.monotonic() < look_at:
                continue
            look_at = time.monotonic() + stuck / 4
            try:
                async with self.unit.begin():
                    reason = await asyncio.wait_for(self.source.standstill(), 30)
            except Exception as error:
                # Broker or database is away: standing still is right.
                log.warning("consumer stands still", seconds=round(self._still()), error=repr(error)[:200])
                reason = None
            if reason is None or self._still() < stuck:
                found_at = None
                continue
            # To a service that had nothing to do for long, it may have come a moment ago.
            found_at = found_at or time.monotonic()
            if time.monotonic() - found_at >= stuck / 2:
                log.critical(
                    "consumer is stuck",
                    reason=reason,
                    seconds=round(self._still()),
                    remedy="the process ends",
                )
                self.stop(EXIT_STUCK)
                return

    def _still(self) -> float:
        """Seconds since the consumer did anything."""
        return min(self.source.seconds_since_movement, self.consumer.seconds_since_attempt)

    async def _measure(self) -> None:
        while not self._stop.is_set():
            self._measure_consumer()
            started = time.monotonic()
            with suppress(Exception):
                async with self.unit.begin() as (session, _):
                    depth = await upkeep.outbox_depth(session)
                    waiting = await dead_letters.counts(session)
                self._outbox_rows = depth.rows
                self.metrics.outbox_rows.set(depth.rows)
                self.metrics.outbox_oldest_seconds.set(depth.oldest_seconds)
                self.metrics.dead_letters.clear()
                for row in waiting:
                    self.metrics.dead_letters.labels(row["topic"]).set(row["count"])
                oldest = min((row["oldest"] for row in waiting), default=session.now)
                self.metrics.dead_letter_oldest_seconds.set((session.now - oldest).total_seconds())
            await self._sleep(min(60.0, max(1.0, _REST * (time.monotonic() - started))))

    def _measure_consumer(self) -> None:
        by_topic: dict[str, tuple[int, float]] = {}
        self.metrics.partition_progress_age_seconds.clear()
        for (topic, partition), lag in self.source.lag().items():
            records, oldest = by_topic.get(topic, (0, 0.0))
            by_topic[topic] = (records + lag.records, max(oldest, lag.oldest))
            if lag.records:
                self.metrics.partition_progress_age_seconds.labels(topic, str(partition)).set(lag.still)
        for topic, (records, oldest) in by_topic.items():
            self.metrics.consumer_lag_records.labels(self.name, topic).set(records)
            self.metrics.consumer_lag_seconds.labels(self.name, topic).set(oldest)
        self.metrics.consumer_assigned_partitions.labels(self.name).set(len(self.source.assignment()))

    # --- Parts ----------------------------------------------------------------------------------------

    def _spawn(self, work: Any, name: str) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._stop.is_set():
            return
        # No task of ours is cancelled before the stop: one that was would be missed without a word.
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None:
            log.critical("task failed", task=task.get_name(), remedy="the process ends", exc_info=error)
            self.stop(EXIT_STUCK)

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    def _wake_relays(self) -> None:
        for relay in self.relays:
            relay.wake()

    def _relay(self, shard: int) -> Relay:
        return Relay(
            database_url=self.settings.database_url,
            bootstrap=self.settings.kafka,
            service=self.name,
            shard=shard,
            metrics=self.metrics,
            tracing=self.tracing,
            idle_poll_seconds=self.settings.relay_idle_poll_seconds,
        )

    def _source(self) -> KafkaSource:
        return KafkaSource(
            bootstrap=self.settings.kafka,
            group=self.settings.topic_prefix + self.name,
            topics=self.decoder.topics,
            prefix=self.settings.topic_prefix,
            handle=self.consumer.handle,
            waiting=self.consumer.waiting,
            positions_known=self._known_offsets,
            max_records=self.settings.batch_records,
            gather_seconds=self.settings.gather_seconds,
            metrics=self.metrics,
            session_timeout_ms=self.settings.session_timeout_ms,
            drain_seconds=self.settings.drain_seconds,
            client_id=f"oms-{self.name}-{socket.gethostname()}-{os.getpid()}",
        )

    async def _known_offsets(self) -> Any:
        async with self.unit.begin() as (session, _):
            return await upkeep.known_offsets(session, self.decoder.topics)


async def _purge_inbox(service: Service[Any, Any]) -> int:
    async with service.unit.begin() as (session, _):
        return await upkeep.purge(session, schema.inbox, "received_at", service.settings.inbox_days)


async def _purge_dead_letters(service: Service[Any, Any]) -> int:
    """Those that still wait for a person have no `resolved_at` and stay, however old they are."""
    days = service.settings.dead_letter_days
    async with service.unit.begin() as (session, _):
        return await upkeep.purge(session, schema.dead_letters, "resolved_at", days)


async def _purge_idempotency(service: Service[Any, Any]) -> int:
    async with service.unit.begin() as (session, _):
        return await upkeep.purge(
            session, schema.idempotency, "created_at", service.settings.idempotency_hours / 24
        )


_UPKEEP = (
    Job("purge-inbox", 3_600.0, _purge_inbox),
    Job("purge-dead-letters", 3_600.0, _purge_dead_letters),
    Job("purge-idempotency", 3_600.0, _purge_idempotency),
)
