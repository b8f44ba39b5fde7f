"""One connection pool per process, with the limits that keep a stuck client from blocking the others."""

import select
from typing import Any

import orjson
from psycopg import AsyncConnection
from psycopg.types.json import set_json_loads
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

_SESSION = {
    "timezone": "UTC",
    "lock_timeout": "10s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "30s",
}

# Set-based statements ask to be prepared. All others are planned for the values they come with: a plan for any value
# cannot use a partial index, and reads a whole table for the one rare channel.
_NEVER = 2**31


def libpq_options(limits: dict[str, str]) -> str:
    """Server settings in the form of libpq's `options` parameter."""
    return " ".join(f"-c {name}={value}" for name, value in limits.items())


def create_engine(url: str, *, application: str, pool_size: int) -> AsyncEngine:
    """An engine on psycopg 3 whose sessions give up waiting locks, runaway statements and idle transactions.

    `url` starts with `postgresql+psycopg://`. A connection that the server has closed is replaced when it is taken.
    Transactions are begun and ended by `open_session`, so the driver itself begins none.
    """
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        isolation_level="AUTOCOMMIT",
        json_deserializer=orjson.loads,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        connect_args={
            "application_name": application,
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "options": libpq_options(_SESSION),
            "prepare_threshold": _NEVER,
        },
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _fast_json(connection: Any, _record: Any) -> None:
        set_json_loads(orjson.loads, connection.driver_connection)

    @event.listens_for(engine.sync_engine, "checkout")
    def _replace_closed(connection: Any, _record: Any, _proxy: Any) -> None:
        # An idle connection has nothing to read but its end: a glance at the socket instead of a round trip.
        driver = connection.driver_connection
        if driver.closed or _readable(driver.fileno()):
            raise DisconnectionError("the server closed this connection")

    return engine


def _readable(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


async def connect_alone(url: str, *, application: str, idle_timeout_seconds: int) -> AsyncConnection[Any]:
    """A connection outside the pool, in autocommit, that the server closes when its client stops talking.

    For session advisory locks: a frozen holder loses its lock after `idle_timeout_seconds`. It looks into queues, of
    which statistics are always wrong: what was planned for an empty one must not read a million rows.
    """
    parts = make_url(url)
    limits = {
        "idle_session_timeout": f"{idle_timeout_seconds}s",
        "statement_timeout": "30s",
        "enable_seqscan": "off",
    }
    return await AsyncConnection.connect(
        host=parts.host or "",
        port=parts.port or 5432,
        user=parts.username or "",
        password=parts.password or "",
        dbname=parts.database or "",
        application_name=application,
        connect_timeout=5,
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        autocommit=True,
        options=libpq_options(limits),
        **{key: str(value) for key, value in parts.query.items()},  # type: ignore[arg-type]
    )
