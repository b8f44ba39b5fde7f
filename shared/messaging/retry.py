"""Which errors go away by themselves, and how long to wait for that."""

import random
from collections.abc import Iterator

import psycopg
import sqlalchemy.exc
from psycopg import errors

_TRANSIENT = (
    psycopg.OperationalError,  # connection lost, server stopping, deadlock, lock timeout, disk full
    psycopg.InterfaceError,  # the connection was closed under us
    errors.SerializationFailure,
    errors.ReadOnlySqlTransaction,  # a standby that answers until the new primary is known
    ConnectionError,
    TimeoutError,
)
# OperationalErrors by the book that no waiting will mend.
_PERMANENT = (errors.ProgramLimitExceeded, errors.StatementTooComplex)


def transient(error: BaseException) -> str | None:
    """A short class name for an error that waiting may mend (database away, deadlock), None for any other."""
    if isinstance(error, sqlalchemy.exc.TimeoutError):
        return "pool_timeout"
    if isinstance(error, sqlalchemy.exc.DBAPIError) and error.orig is not None:
        return transient(error.orig)
    if isinstance(error, errors.FeatureNotSupported) and "cached plan" in str(error):
        return "schema_changed"  # A migration ran meanwhile; the rollback discards the old plan.
    if isinstance(error, _TRANSIENT) and not isinstance(error, _PERMANENT):
        return type(error).__name__
    return None


def backoff(first: float = 0.05, longest: float = 5.0) -> Iterator[float]:
    """Seconds to wait before each next try: doubling, with jitter so that processes do not march in step."""
    pause = first
    while True:
        yield pause * random.uniform(0.5, 1.0)
        pause = min(pause * 2, longest)
