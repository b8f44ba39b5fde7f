"""The way in: a message is handled in the transaction that remembers it, so it is handled once."""

import re
from collections.abc import Collection
from uuid import UUID, uuid5

from shared.db.bulk import Session
from shared.messaging.schema import inbox

_FOREIGN = UUID("0b0f5a0e-6f0e-5c3b-8f5c-0d2d3a4e9a11")
_OURS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def inbox_id(source: str, message_id: str) -> str:
    """The inbox's key for a CloudEvents source and id, a UUID as text: ours as they are, others' as a hash of both.

    Ours are UUIDv7, unique by themselves; other systems promise uniqueness only within their source.
    """
    if source.startswith("/oms/"):
        if _OURS.fullmatch(message_id):
            return message_id
        try:
            return str(UUID(message_id))
        except ValueError:
            pass
    return str(uuid5(_FOREIGN, f"{source}\n{message_id}"))


async def first_time(session: Session, consumer: str, ids: Collection[str]) -> set[str]:
    """Claim messages for this transaction; returns those nobody handled before.

    Sorted, because two consumers claiming the same ids in opposite order would deadlock; a claim that
    another open transaction holds waits for its end.
    """
    wanted = set(ids)
    rows = [{"message_id": message_id, "consumer": consumer} for message_id in sorted(wanted)]
    new = await session.insert_missing(inbox, rows, key="message_id")
    return wanted if new is None else {str(message_id) for message_id in new}
