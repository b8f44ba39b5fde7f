"""Requests that count once: what was answered under an Idempotency-Key, kept in the transaction that did it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, tuple_

from shared.db.bulk import Session
from shared.messaging.message import Done, Outcome, Refused
from shared.messaging.schema import idempotency

_FREE = delete(idempotency).where(
    tuple_(idempotency.c.scope, idempotency.c.key).in_(bindparam("names", expanding=True))
)


@dataclass(frozen=True)
class IdempotencyKey:
    """What makes a request the same request: its key, within a scope, with a fingerprint of what it asks."""

    scope: str
    key: str
    fingerprint: str


async def known_answers(session: Session, asked: Sequence[IdempotencyKey | None]) -> list[Outcome | None]:
    """Claim the keys of this transaction; the stored outcome for those that were answered before."""
    keys = {(key.scope, key.key): key for key in asked if key is not None}
    if not keys:
        return [None] * len(asked)
    claims = [
        {"scope": scope, "key": key, "fingerprint": keys[scope, key].fingerprint, "status": 0, "answer": {}}
        for scope, key in sorted(keys)
    ]
    fresh = await session.insert(idempotency, claims, ignore_duplicates=True, returning=("scope", "key"))
    known = set(keys) - {(row["scope"], row["key"]) for row in fresh}
    rows = await session.fetch_pairs(idempotency, ("scope", "key"), sorted(known))
    stored = {(row["scope"], row["key"]): row for row in rows}
    return [_answer(key, stored) for key in asked]


def _answer(key: IdempotencyKey | None, stored: dict[tuple[str, str], dict[str, Any]]) -> Outcome | None:
    row = stored.get((key.scope, key.key)) if key is not None else None
    if key is None or row is None:
        return None
    if row["fingerprint"] != key.fingerprint:
        detail = "This Idempotency-Key was used with another request. Use a new key for a new request."
        return Refused(422, "idempotency_key_reused", detail)
    headers = {**row["answer"]["headers"], "Idempotent-Replayed": "true"}
    return Done(row["answer"]["body"], status=row["status"], headers=headers)


async def remember(session: Session, answers: Sequence[tuple[IdempotencyKey | None, Outcome | None]]) -> None:
    """Keep what was done under its key; a refusal frees its key, so that the request can be mended and sent again."""
    done, refused = [], []
    for key, outcome in answers:
        if key is not None and isinstance(outcome, Done):
            answer = {"body": outcome.body, "headers": dict(outcome.headers)}
            done.append({"scope": key.scope, "key": key.key, "status": outcome.status, "answer": answer})
        elif key is not None:
            refused.append((key.scope, key.key))
    await session.update(idempotency, done, key=("scope", "key"))
    if refused:
        await session.execute(_FREE, {"names": refused})
