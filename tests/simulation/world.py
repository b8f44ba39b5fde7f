"""One world: five services in memory, their topics, a clock, and crashes at any line that matters."""

from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from random import Random
from types import SimpleNamespace
from typing import Any

from shared.contracts.envelope import Event
from shared.contracts.registry import MODELS
from shared.db import ids
from shared.messaging.decode import Record
from shared.messaging.inbox import inbox_id
from shared.messaging.message import CommandHandler, Outcome
from tests.simulation.host import Blueprint, Crash, Host, Letter, Place, Untraced, as_record, drive

START = datetime(2026, 5, 4, 8, tzinfo=UTC)


class Reader:
    """A consumer group, or another system that listens: how far it has read each topic and key."""

    def __init__(self, name: str, topics: Iterable[str]) -> None:
        self.name = name
        self.topics = frozenset(topics)
        self.position: dict[Place, int] = {}
        self.ready: dict[Place, None] = {}

    def rewind(self, place: Place, count: int) -> None:
        """What was read will be read again: its offset was not committed."""
        self.position[place] = max(0, self.position.get(place, 0) - count)
        self.ready[place] = None


@dataclass
class Request:
    """Something asked over HTTP, with what is to happen when it is answered."""

    service: str
    handler: CommandHandler
    value: Any
    key: str | None
    actor: str
    answered: Callable[[Outcome], None] = lambda _: None


class World:
    """Everything there is. Nothing in here decides: histories do. While there is `trouble`, things go wrong."""

    def __init__(
        self,
        blueprints: dict[str, Blueprint],
        *,
        seed: int,
        wire: bool = False,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.now = START
        self.wire = wire
        self.tell = tell
        self.trouble = True
        self.tracing = Untraced()
        self.identity = Random(seed)
        self.topics: dict[Place, list[Any]] = {}
        self.hosts = {name: Host(blueprint, self) for name, blueprint in blueprints.items()}
        self.readers = {
            name: Reader(name, blueprint.decoder.topics) for name, blueprint in blueprints.items()
        }
        self.errors: list[str] = []
        self.unanswered: list[Request] = []
        self._crash_before = 0
        self._crash_after = 0
        self._hearers: dict[str, tuple[Reader, ...]] = {}

    @contextmanager
    def identities(self) -> Iterator[None]:
        """Inside the block new ids follow from the seed; `shared.db.ids` is the only place from which they come."""
        before = ids.uuid_utils
        ids.uuid_utils = SimpleNamespace(uuid7=self._new_id)  # type: ignore[assignment]
        try:
            yield
        finally:
            ids.uuid_utils = before

    def _new_id(self) -> str:
        """As a UUIDv7: rises with time, and at random within a millisecond."""
        bits = self.identity.getrandbits(74)
        low = f"{bits & 0x3FFFFFFFFFFFFFFF | 0x8000000000000000:016x}"
        return f"{_milliseconds(self.now)}-7{bits >> 62:03x}-{low[:4]}-{low[4:]}"

    def listen(self, reader: Reader) -> None:
        """Another system subscribes."""
        self.readers[reader.name] = reader
        self._hearers.clear()

    # --- Crashes -----------------------------------------------------------------------------------------

    def crash(self, before: int = 0, after: int = 0) -> None:
        """The process of the next transactions dies before the so many-th commit from now, or right after it."""
        self._crash_before, self._crash_after = before, after

    def before_commit(self) -> None:
        """See Surroundings."""
        if self._crash_before:
            self._crash_before -= 1
            if not self._crash_before:
                raise Crash("before a commit")

    def after_commit(self) -> None:
        """See Surroundings."""
        if self._crash_after:
            self._crash_after -= 1
            if not self._crash_after:
                raise Crash("after a commit")

    # --- Topics ------------------------------------------------------------------------------------------

    def append(self, item: Any) -> None:
        """The broker takes a message and stamps it with its time."""
        if item.__class__ is Letter:
            if item.offset:
                item = copy(item)  # Sent again: a record of its own.
            place = (item.topic, item.key)
            log = self.topics.setdefault(place, [])
            item.offset, item.appended_at = len(log) + 1, self.now
        else:
            place = (item.topic, item.key.decode())
            log = self.topics.setdefault(place, [])
            item = replace(item, offset=len(log) + 1, timestamp_ms=int(self.now.timestamp() * 1000))
        log.append(item)
        for reader in self._heard_by(item.topic):
            reader.ready[place] = None
        if self.tell:
            self.tell(f"    {item.topic} {place[1][-12:]} is on its topic ({len(log)})")

    def _heard_by(self, topic: str) -> tuple[Reader, ...]:
        known = self._hearers.get(topic)
        if known is None:
            known = tuple(reader for reader in self.readers.values() if topic in reader.topics)
            self._hearers[topic] = known
        return known

    def say(self, event: Event, source: str, name: str) -> None:
        """Another system says something; the same source and name is the same message."""
        if self.wire:
            headers = [
                ("ce_id", name.encode()),
                ("ce_type", event.ce_type().encode()),
                ("ce_source", source.encode()),
                ("ce_time", self.now.isoformat().encode()),
            ]
            body = event.__pydantic_serializer__.to_json(event, exclude_none=True)
            self.append(Record(event.topic, 0, 0, 0, event.key().encode(), headers, body))
        else:
            self.append(Letter(event, inbox_id(source, name), name, self.tracing.new_trace()))

    def event(self, item: Any) -> Event:
        """What a message says."""
        if item.__class__ is Letter:
            found: Event = item.event
            return found
        kind = next(value for name, value in item.headers if name == "ce_type").decode()
        return MODELS[kind].model_validate_json(item.body)

    def publish(self, host: Host, place: Place, count: int, *, delete: bool) -> None:
        """The relay sends the first messages of one topic and key; not deleted, they will be sent again."""
        waiting = host.unsent()[place][:count]
        for item in waiting:
            self.append(item if item.__class__ is Letter else as_record(item))
        if delete:
            host.was_sent(place, waiting)

    def unread_since(self, reader: Reader) -> datetime:
        """The moment up to which a reader has read everything that was on its topics."""
        moments = [self.topics[place][reader.position.get(place, 0)].appended_at for place in reader.ready]
        return min(moments, default=self.now)

    def consume(self, name: str, taken: Sequence[tuple[Place, int]], order: Sequence[int]) -> bool:
        """A service handles so many messages of these topics and keys, mixed in this order; False if it died.

        `order` names for each message of the batch, by index into `taken`, where it comes from.
        """
        reader, host = self.readers[name], self.hosts[name]
        next_of = [reader.position.get(place, 0) for place, _ in taken]
        batch = []
        for index in order:
            batch.append(self.topics[taken[index][0]][next_of[index]])
            next_of[index] += 1
        if self.tell:
            heard = ", ".join(f"{item.topic} {str(_key(item))[-12:]}" for item in batch)
            self.tell(f"    {name} hears {heard}")
        try:
            drive(host.consumer.handle(batch))
        except Crash as crash:
            if self.tell:
                self.tell(f"    {name} dies {crash}")
            return False
        finally:
            self.crash()
        for index, (place, _) in enumerate(taken):
            self.advance(reader, place, next_of[index])
        return True

    def advance(self, reader: Reader, place: Place, position: int) -> None:
        """A reader commits how far it read."""
        reader.position[place] = position
        if position >= len(self.topics[place]):
            reader.ready.pop(place, None)

    # --- HTTP --------------------------------------------------------------------------------------------

    def ask(self, *requests: Request) -> None:
        """Requests to one handler that share a transaction. One that got no answer is asked again later."""
        first = requests[0]
        if self.tell:
            values = ", ".join(_brief(request.value) for request in requests)
            self.tell(f"    {first.service} is asked {first.handler.__name__}: {values}")  # type: ignore[attr-defined]
        host = self.hosts[first.service]
        asked = [(request.value, request.key) for request in requests]
        try:
            outcomes = drive(host.request(first.handler, asked, first.actor))
        except Crash as crash:
            if self.tell:
                self.tell(f"    {first.service} dies {crash}")
            self.unanswered += requests
            return
        except Exception as error:
            self.errors.append(f"{first.handler.__name__}: {type(error).__name__}: {error}")  # type: ignore[attr-defined]
            return
        finally:
            self.crash()
        for request, outcome in zip(requests, outcomes, strict=True):
            if self.tell:
                self.tell(f"    answered {outcome.status} {_brief(outcome)}")
            request.answered(outcome)

    def job(self, name: str, work: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
        """Timed work of a service."""
        try:
            return drive(work(self.hosts[name]))
        except Crash as crash:
            if self.tell:
                self.tell(f"    {name} dies {crash}")
        except Exception as error:
            self.errors.append(f"{name} {work}: {type(error).__name__}: {error}")
        finally:
            self.crash()
        return None

    def later(self, **time: float) -> None:
        """Time passes."""
        self.now += timedelta(**time)


@lru_cache(maxsize=16)  # Time stands still while things happen.
def _milliseconds(moment: datetime) -> str:
    digits = f"{int(moment.timestamp() * 1000):012x}"
    return f"{digits[:8]}-{digits[8:]}"


def _key(item: Any) -> str:
    return item.key if isinstance(item.key, str) else item.key.decode()


def _brief(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 160 else f"{text[:157]}..."
