"""Commands of people and other systems: concurrent ones share a transaction, a key makes each count once."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

import structlog

from shared.db.bulk import Session
from shared.db.idempotency import IdempotencyKey, known_answers, remember
from shared.messaging.message import Command, CommandHandler, Outcome
from shared.messaging.retry import backoff, transient

log = structlog.get_logger(__name__)

Begin = Callable[[], AbstractAsyncContextManager[tuple[Session, Any]]]

_MOST_TOGETHER = 100
_TRIES = 5


@dataclass
class _Request:
    command: Command[Any]
    key: IdempotencyKey | None
    answer: asyncio.Future[Outcome]


@dataclass
class _Lane:
    waiting: list[_Request] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


class Commands:
    """Runs command handlers, one transaction at a time per handler.

    While one transaction is under way the next requests gather and then share one: under load a commit
    serves many, and without load nobody waits. An error in a shared transaction makes each request run
    alone, so that only the one at fault fails. A database that is away is waited for briefly, then the
    error is raised (the HTTP layer answers 503).
    """

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self._lanes: dict[CommandHandler, _Lane] = {}

    async def run(
        self, handler: CommandHandler, command: Command[Any], key: IdempotencyKey | None
    ) -> Outcome:
        """The outcome of `command`; under a known key the earlier one."""
        lane = self._lanes.setdefault(handler, _Lane())
        request = _Request(command, key, asyncio.get_running_loop().create_future())
        lane.waiting.append(request)
        if lane.task is None:
            lane.task = asyncio.create_task(self._serve(handler, lane))
        # Shielded: a client that hangs up must not undo what others share with it.
        return await asyncio.shield(request.answer)

    async def close(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(
            *(lane.task for lane in self._lanes.values() if lane.task), return_exceptions=True
        )

    async def _serve(self, handler: CommandHandler, lane: _Lane) -> None:
        try:
            while lane.waiting:
                together = _without_same_key(lane.waiting[:_MOST_TOGETHER])
                taken = {id(request) for request in together}
                lane.waiting = [request for request in lane.waiting if id(request) not in taken]
                await self._settle(handler, together)
        finally:
            lane.task = None

    async def _settle(self, handler: CommandHandler, requests: Sequence[_Request]) -> None:
        try:
            outcomes = await self._execute(handler, requests)
        except Exception as error:
            if len(requests) > 1 and transient(error) is None:
                for request in requests:
                    await self._settle(handler, [request])
                return
            for request in requests:
                if not request.answer.done():
                    request.answer.set_exception(error)
            return
        for request, outcome in zip(requests, outcomes, strict=True):
            if not request.answer.done():
                request.answer.set_result(outcome)

    async def _execute(self, handler: CommandHandler, requests: Sequence[_Request]) -> list[Outcome]:
        pauses = backoff()
        for attempt in range(1, _TRIES + 1):
            try:
                return await self._transact(handler, requests)
            except Exception as error:
                reason = transient(error)
                if reason is None or attempt == _TRIES:
                    raise
                log.warning("command tried again", handler=getattr(handler, "__name__", ""), error=reason)
                await asyncio.sleep(next(pauses))
        raise AssertionError("unreachable")

    async def _transact(self, handler: CommandHandler, requests: Sequence[_Request]) -> list[Outcome]:
        async with self._begin() as (session, tx):
            outcomes = await known_answers(session, [request.key for request in requests])
            new = [index for index, outcome in enumerate(outcomes) if outcome is None]
            if new:
                answers = await handler([requests[index].command for index in new], tx)
                for index, outcome in zip(new, answers, strict=True):
                    outcomes[index] = outcome
                await remember(session, [(requests[index].key, outcomes[index]) for index in new])
            return [outcome for outcome in outcomes if outcome is not None]


def _without_same_key(requests: Sequence[_Request]) -> list[_Request]:
    """Requests that may share a transaction: of those with the same key only the first."""
    seen: set[tuple[str, str]] = set()
    together = []
    for request in requests:
        if request.key is not None:
            if (request.key.scope, request.key.key) in seen:
                continue
            seen.add((request.key.scope, request.key.key))
        together.append(request)
    return together
