"""The way in: a message is handled in the transaction that remembers it, so it is handled once."""

from collections.abc import Collection
from operator import attrgetter
from uuid import UUID, uuid5

from shared.db.bulk import Session
from shared.messaging.schema import inbox

_FOREIGN = UUID("0b0f5a0e-6f0e-5c3b-8f5c-0d2d3a4e9a11")


def inbox_id(source: str, message_id: str) -> UUID:
    """The inbox's key for a CloudEvents source and id: ours as they are, others' as a hash of both.

    Ours are UUIDv7, unique by themselves; other systems promise uniqueness only within their source.
    """
    if source.startswith("/oms/"):
        try:
            return UUID(message_id)
        except ValueError:
            pass
    return uuid5(_FOREIGN, f"{source}\n{message_id}")


async def first_time(session: Session, consumer: str, ids: Collection[UUID]) -> set[UUID]:
    """Claim messages for this transaction; returns those nobody handled before.

    Sorted, because two consumers claiming the same ids in opposite order would deadlock; a claim that
    another open transaction holds waits for its end.
    """
    wanted = set(ids)
    rows = [{"message_id": message_id, "consumer": consumer} for message_id in sorted(wanted, key=_NUMBER)]
    known = await session.insert_missing(inbox, rows, key="message_id")
    return wanted - set(known)


_NUMBER = attrgetter("int")  # compares in C; UUIDs themselves compare in Python
