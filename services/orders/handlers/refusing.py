"""Answers to what cannot be accepted from a topic."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from services.orders.store import Tx
from shared.contracts.envelope import Code, ExternalId, FieldError
from shared.contracts.orders import OrderRefused
from shared.messaging.message import Command, Message

UNKNOWN = "unknown"
"""Stands for a channel or external id that is missing or unusable; the message id names the message then."""

_CHANNEL: TypeAdapter[str] = TypeAdapter(Code)
_EXTERNAL_ID: TypeAdapter[str] = TypeAdapter(ExternalId)


def refuse(
    message: Message[Any] | Command[Any],
    refused: Literal["order", "cancellation"],
    named: Mapping[str, Any],
    errors: Sequence[FieldError],
    tx: Tx,
) -> None:
    """Say order.refused with every faulty field, in the trace of the message that is refused."""
    refusal = OrderRefused(
        channel=_usable(_CHANNEL, named.get("channel")),
        external_id=_usable(_EXTERNAL_ID, named.get("external_id")),
        message_id=_printable(message.sender_id if isinstance(message, Message) else message.id),
        refused=refused,
        errors=tuple(errors),
    )
    tx.emit(refusal, trace=message.trace, cause=message)


def _usable(kind: TypeAdapter[str], value: Any) -> str:
    try:
        return kind.validate_python(value, strict=True)
    except ValidationError:
        return UNKNOWN


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:200]
