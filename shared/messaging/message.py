"""The small types that handlers see. A handler reads messages or commands and a transaction, nothing else."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from shared.contracts.envelope import Event, FieldError
from shared.value_object import value_object

E = TypeVar("E", bound="Event | Invalid", covariant=True)
C = TypeVar("C", covariant=True)


@value_object
class Invalid:
    """Stands where the event would: a JSON object that does not fit the contract, with all faulty fields.

    Only routes that ask for it get these, to answer with a refusal; elsewhere such a message is parked.
    """

    model: type[Event]
    body: Mapping[str, Any]
    errors: tuple[FieldError, ...]


@value_object
class Message(Generic[E]):
    """One message from a topic that this service has not handled before. Nobody changes it.

    `time` is when the broker appended it (UTC); `trace` is the traceparent to go on under when
    something is emitted because of it, with what other tracing systems keep in `tracestate`. `sender_id` is the
    sender's own id of it (ce_id), for answers.
    """

    id: str
    event: E
    topic: str
    partition: int
    offset: int
    time: datetime
    trace: str
    sender_id: str = ""
    tracestate: str = ""


@value_object
class Command(Generic[C]):
    """What a person, another system's request or a job asks for. `trace` is the asker's, to be linked."""

    id: str
    value: C
    actor: str
    trace: str
    tracestate: str = ""


@value_object
class Done:
    """A command was carried out, now or earlier under the same key; `body` is the answer."""

    body: Mapping[str, Any]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@value_object
class Refused:
    """A business refusal: an answer, never an error. `code` is stable, `detail` says what to do instead."""

    status: int
    code: str
    detail: str
    errors: tuple[FieldError, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


Outcome: TypeAlias = Done | Refused


class Unhandleable(Exception):
    """Raised by a handler for messages that name what is not here: no release of this service could handle them.

    They are parked under `reason` with what a person should do (`why`, by message id), and the rest of their batch
    is handled. The breaker, which is about bad releases, does not count them: else strangers could stop a service.
    """

    reason: ClassVar[str]

    def __init__(self, why: Mapping[str, str]) -> None:
        super().__init__("; ".join(list(why.values())[:3]))
        self.why = why


MessageHandler: TypeAlias = Callable[[Sequence[Message[Any]], Any], Awaitable[None]]
CommandHandler: TypeAlias = Callable[[Sequence[Command[Any]], Any], Awaitable[Sequence[Outcome]]]


@value_object
class Route:
    """One line of a service's routing table: these events go to this handler."""

    handler: MessageHandler
    events: tuple[type[Event], ...]
    accept_invalid: bool = False

    @property
    def name(self) -> str:
        """The handler's name, as metrics, dead letters and traces show it."""
        return getattr(self.handler, "__name__", repr(self.handler))
