"""The way in, second half: a batch of records becomes transactions, retries, and parked messages.

What is promised when `handle` returns: every record of the batch was handled (its effects and the inbox
row committed together), had been handled before, or is a row in dead_letters. When it raises
`Interrupted`, nothing may be committed to the broker and the records will come again.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

import structlog

from shared.db.bulk import Session
from shared.messaging import dead_letters
from shared.messaging.dead_letters import DeadLetter
from shared.messaging.decode import Decoder, Readable, Record, Unreadable
from shared.messaging.inbox import first_time
from shared.messaging.message import Message, Route, Unhandleable
from shared.messaging.retry import backoff, transient
from shared.telemetry.metrics import Metrics, observe
from shared.telemetry.tracing import ProcessSpan, Tracing, is_sampled

log = structlog.get_logger(__name__)

Begin = Callable[[], AbstractAsyncContextManager[tuple[Session, Any]]]


class Interrupted(Exception):
    """The process stops or lost its partitions while it waited to try again: leave the batch to a successor."""


class StillUnreadable(ValueError):
    """A parked record that nobody can handle as it is: the reason, the field and the remedy."""


@dataclass
class Waiting:
    """Why the consumer stands still on purpose, if it does: a retry or the open breaker."""

    reason: str | None = None
    interrupt: asyncio.Event = field(default_factory=asyncio.Event)

    async def sleep(self, seconds: float, reason: str) -> None:
        """Wait, visibly; raises Interrupted when the process stops or the partitions are revoked."""
        self.reason = reason
        try:
            await asyncio.wait_for(self.interrupt.wait(), seconds)
        except TimeoutError:
            return
        finally:
            self.reason = None
        raise Interrupted(reason)


class Consumer:
    """Handles batches for one service.

    A batch is grouped by handler, each group is one transaction. An error that waiting may mend is
    retried in place, for as long as it takes. For any other error the group is halved, left half first,
    until the message at fault stands alone and is parked. After `breaker_limit` messages in a row were
    parked by handlers the breaker opens: not the messages are bad but this deployment, so nothing more
    is parked until one of the waiting messages succeeds.
    """

    def __init__(
        self,
        *,
        group: str,
        decoder: Decoder,
        begin: Begin,
        metrics: Metrics,
        tracing: Tracing,
        breaker_limit: int,
    ) -> None:
        self.waiting = Waiting()
        self._group = group
        self._decoder = decoder
        self._begin = begin
        self._metrics = metrics
        self._tracing = tracing
        self._breaker_limit = breaker_limit
        self._failed_in_a_row = 0
        self._alive_at = time.monotonic()

    async def handle(self, records: Sequence[Record]) -> None:
        """Settle every record of a batch. Records of one partition stand in its order."""
        self._alive_at = time.monotonic()
        groups: dict[Route, list[Readable]] = {}
        unreadable: list[Unreadable] = []
        for record in records:
            decoded = self._decoder.decode(record)
            if isinstance(decoded, Readable):
                groups.setdefault(decoded.route, []).append(decoded)
            else:
                unreadable.append(decoded)
        if unreadable:
            await self._park_unreadable(unreadable)
        for route, group in groups.items():
            await self._settle(route, group)

    @property
    def seconds_since_attempt(self) -> float:
        """Since a transaction last ended, well or badly; 0 while it waits on purpose."""
        return 0.0 if self.waiting.reason is not None else time.monotonic() - self._alive_at

    async def replay(self, record: Record, claim: Callable[[Session], Awaitable[None]]) -> bool:
        """Handle one parked record, once, through the inbox; False when it had been handled before.

        `claim` begins the same transaction and closes the dead letter in it. Raises StillUnreadable, or what `claim`
        or the handler raises; then nothing has happened.
        """
        decoded = self._decoder.decode(record)
        if isinstance(decoded, Unreadable):
            raise StillUnreadable(f"{decoded.reason}: {decoded.error}")

        @asynccontextmanager
        async def claimed() -> AsyncIterator[tuple[Session, Any]]:
            async with self._begin() as (session, tx):
                await claim(session)
                yield session, tx

        return await self._transact(decoded.route, [decoded], claimed) > 0

    async def _settle(self, route: Route, group: list[Readable]) -> None:
        waiting = [group]
        while waiting:
            part = waiting.pop()
            error = await self._attempt(route, part)
            if error is None:
                self._failed_in_a_row = 0
            elif isinstance(error, Unhandleable) and (hopeless := [m for m in part if m.id in error.why]):
                await self._park(hopeless, error)
                rest = [message for message in part if message.id not in error.why]
                waiting += [rest] if rest else []
            elif len(part) > 1:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
            elif self._failed_in_a_row < self._breaker_limit:
                self._failed_in_a_row += 1
                await self._park(part, error)
            else:
                rest = [*part, *(message for later in reversed(waiting) for message in later)]
                await self._wait_for_success(route, rest, error)
                waiting = [rest]

    async def _attempt(self, route: Route, part: Sequence[Readable]) -> Exception | None:
        """Run one transaction, retrying what waiting may mend; returns the error that it cannot."""
        for pause in backoff():
            try:
                await self._transact(route, part)
                return None
            except Exception as error:
                reason = transient(error)
                if reason is None:
                    return error
                self._metrics.message_retries.labels(reason).inc()
                log.warning(
                    "retrying", handler=route.name, messages=len(part), error=reason, pause=round(pause, 2)
                )
                await self.waiting.sleep(pause, "retry")
        return None

    async def _transact(self, route: Route, part: Sequence[Readable], begin: Begin | None = None) -> int:
        started = time.time_ns()
        spans: list[ProcessSpan] = []
        error: BaseException | None = None
        new: list[Readable] = []
        try:
            async with (begin or self._begin)() as (session, tx):
                fresh = await first_time(session, self._group, [message.id for message in part])
                messages = []
                for incoming in part:
                    if incoming.id in fresh:
                        fresh.discard(incoming.id)
                        new.append(incoming)
                        messages.append(self._message(incoming, started, spans))
                if messages:
                    await route.handler(messages, tx)
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._alive_at = time.monotonic()
            for span in spans:
                span.end(error=error)
            self._measure(route, part, new, (time.time_ns() - started) / 1e9, error)
        return len(new)

    def _message(self, incoming: Readable, started: int, spans: list[ProcessSpan]) -> Message[Any]:
        record, trace = incoming.record, incoming.trace
        if is_sampled(trace):
            span = self._tracing.process_span(
                record.topic,
                trace,
                start_ns=started,
                group=self._group,
                partition=record.partition,
                offset=record.offset,
                message_id=incoming.id,
                tracestate=incoming.tracestate,
            )
            if span is not None:
                spans.append(span)
                trace = span.traceparent
        return Message(
            id=incoming.id,
            event=incoming.event,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            time=record.appended_at,
            trace=trace or self._tracing.new_trace(),
            sender_id=incoming.sender_id,
            tracestate=incoming.tracestate,
        )

    def _measure(
        self,
        route: Route,
        part: Sequence[Readable],
        new: Sequence[Readable],
        seconds: float,
        error: BaseException | None,
    ) -> None:
        outcome = "failed" if error is not None else "handled"
        self._metrics.message_process_seconds.labels(part[0].record.topic, route.name, outcome).observe(
            seconds
        )
        if error is not None:
            self._metrics.messages_handled.labels(route.name, outcome).inc(len(part))
            return
        self._metrics.messages_handled.labels(route.name, outcome).inc(len(new))
        self._metrics.inbox_duplicates.inc(len(part) - len(new))
        now = time.time()
        for topic, messages in groupby(new, lambda message: message.record.topic):
            histogram = self._metrics.message_end_to_end_seconds.labels(topic)
            for message in messages:
                observe(histogram, max(0.0, now - _created(message)), message.trace)

    async def _park(self, messages: Sequence[Readable], error: Exception) -> None:
        letters = []
        for message in messages:
            reason, text = "handler_error", f"{type(error).__name__}: {error}"
            if isinstance(error, Unhandleable):
                reason, text = error.reason, error.why[message.id]
            log.error(
                "message parked",
                handler=message.route.name,
                reason=reason,
                error=text[:500],
                **_where(message.record),
            )
            letters.append(DeadLetter(message.record, reason, text, message.route.name))
        await self._keep(letters)

    async def _park_unreadable(self, messages: Sequence[Unreadable]) -> None:
        for message in messages:
            log.error(
                "unreadable message parked",
                reason=message.reason,
                error=message.error,
                **_where(message.record),
            )
            if message.reason == "unknown_type":
                self._metrics.contract_unknown_type.labels(message.record.topic).inc()
        await self._keep([DeadLetter(message.record, message.reason, message.error) for message in messages])

    async def _keep(self, letters: Sequence[DeadLetter]) -> None:
        for pause in backoff():
            try:
                async with self._begin() as (session, _):
                    await dead_letters.park(session, letters)
                break
            except Exception as raised:
                reason_to_wait = transient(raised)
                if reason_to_wait is None:
                    raise
                self._metrics.message_retries.labels(reason_to_wait).inc()
                await self.waiting.sleep(pause, "retry")
        self._alive_at = time.monotonic()
        for letter in letters:
            self._metrics.messages_parked.labels(letter.record.topic, letter.reason).inc()

    async def _wait_for_success(self, route: Route, rest: Sequence[Readable], error: Exception) -> None:
        """Hold everything until one of the next messages can be handled, probing ever more rarely."""
        async with self._open_breaker(route):
            for pause in backoff(first=1.0, longest=60.0):
                log.critical(
                    "breaker open: handler fails on every message, nothing is parked any more",
                    handler=route.name,
                    error=f"{type(error).__name__}: {error}"[:500],
                    next_probe_seconds=round(pause, 1),
                    remedy="mend or roll back this deployment; if the messages are at fault, restart with a higher"
                    " breaker_limit: they are parked then",
                )
                await self.waiting.sleep(pause, "breaker")
                for message in rest[:_PROBES]:
                    failed = await self._attempt(route, [message])
                    if failed is None:
                        self._failed_in_a_row = 0
                        return
                    error = failed

    @asynccontextmanager
    async def _open_breaker(self, route: Route) -> AsyncIterator[None]:
        gauge = self._metrics.breaker_open.labels(route.name)
        gauge.set(1)
        try:
            yield
        finally:
            gauge.set(0)


_PROBES = 20


def _created(message: Readable) -> float:
    # What its producer says, if it can be read, else when the broker took it.
    try:
        return datetime.fromisoformat(message.created or "").timestamp()
    except (ValueError, OverflowError):
        return message.record.timestamp_ms / 1000


def _where(record: Record) -> dict[str, Any]:
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}
