"""Which errors are waited for, and how long."""

from itertools import islice

import psycopg
import pytest
import sqlalchemy.exc
from psycopg import errors

from shared.messaging.retry import backoff, transient


def wrapped(error: Exception) -> Exception:
    return sqlalchemy.exc.DBAPIError.instance("SELECT", {}, error, psycopg.Error)


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError(), psycopg.InterfaceError(), errors.DeadlockDetected(), errors.LockNotAvailable(),
        errors.SerializationFailure(), errors.AdminShutdown(), errors.CannotConnectNow(), errors.QueryCanceled(),
        errors.DiskFull(), errors.TooManyConnections(), errors.ReadOnlySqlTransaction(),
        errors.FeatureNotSupported("cached plan must not change result type"),
        ConnectionResetError(), TimeoutError(), sqlalchemy.exc.TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_what_goes_away_by_itself(error: Exception) -> None:
    assert transient(error)
    if isinstance(error, psycopg.Error):
        assert transient(wrapped(error))


@pytest.mark.parametrize(
    "error",
    [
        ValueError(), errors.UniqueViolation(), errors.CheckViolation(), errors.DataError(), errors.UndefinedColumn(),
        errors.FeatureNotSupported("no such thing"), errors.StatementTooComplex(), errors.ProgramLimitExceeded(),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_what_does_not(error: Exception) -> None:
    assert transient(error) is None
    if isinstance(error, psycopg.Error):
        assert transient(wrapped(error)) is None


def test_pauses_grow_to_a_limit_and_differ_between_processes() -> None:
    one, other = (list(islice(backoff(first=0.1, longest=2.0), 20)) for _ in range(2))
    assert one != other
    assert all(0.05 * 2**n <= pause <= 0.1 * 2**n for n, pause in enumerate(one[:4]))
    assert all(1.0 <= pause <= 2.0 for pause in one[6:])
