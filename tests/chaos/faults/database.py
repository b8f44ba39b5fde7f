"""What happens to PostgreSQL."""

import asyncio
from random import Random

import psycopg
from psycopg import sql

from tests.chaos.faults.fault import Fault, Impossible
from tests.chaos.scene import Scene

_AWAY = 120.0
_LOCKED = 60.0
_FULL = 60.0
_HOT = {
    "orders": ("orders", "order_timeline", "outbox", "inbox"),
    "inventory": ("stock", "ledger", "outbox", "inbox"),
    "fulfillment": ("shipments", "outbox", "inbox"),
    "returns": ("returns", "outbox", "inbox"),
    "notifications": ("deliveries", "outbox", "inbox"),
}
"""Tables that everything of a service passes."""


async def stopped_immediately(scene: Scene, chance: Random) -> str:
    """As after a power cut: no checkpoint, no farewell; then start, with recovery."""
    await asyncio.to_thread(scene.platform.stop_postgres, "immediate")
    await asyncio.to_thread(scene.platform.start_postgres)
    return "postgres"


async def away(scene: Scene, chance: Random) -> str:
    """Two minutes without a server."""
    await asyncio.to_thread(scene.platform.stop_postgres, "immediate")
    try:
        await asyncio.sleep(_AWAY)
    finally:
        await asyncio.to_thread(scene.platform.start_postgres)
    return "postgres"


async def terminated(scene: Scene, chance: Random) -> str:
    """All connections of the services are ended by the server."""
    names = [psycopg.conninfo.conninfo_to_dict(scene.admin(service))["dbname"] for service in scene.databases]
    async with await psycopg.AsyncConnection.connect(scene.platform.admin_url, autocommit=True) as connection:
        await connection.execute(
            """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = ANY(%s) AND usename = datname""",
            (names,),
        )
    return "postgres"


async def locked(scene: Scene, chance: Random) -> str:
    """Somebody holds a table of a service exclusively for a minute, as a careless migration would."""
    service = chance.choice(sorted(_HOT))
    table = chance.choice(_HOT[service])
    async with await psycopg.AsyncConnection.connect(scene.admin(service)) as connection:
        await connection.execute(
            sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(table))
        )
        await asyncio.sleep(_LOCKED)
        await connection.rollback()
    return f"{service}-{table}"


async def disk_full(scene: Scene, chance: Random) -> str:
    """No room for a page more. The server may end over it; whoever looks after it starts it when there is room."""
    if scene.disk is None:
        raise Impossible(scene.no_disk)
    await asyncio.to_thread(scene.disk.fill)
    try:
        await asyncio.sleep(_FULL)
    finally:
        await asyncio.to_thread(scene.disk.empty)
        await asyncio.to_thread(scene.platform.start_postgres)
    return "postgres"


FAULTS = (
    Fault("postgres-stopped", "immediate stop of PostgreSQL and start", stopped_immediately, "postgres"),
    Fault("connections-terminated", "the server ends all sessions of the services", terminated, "postgres"),
    Fault("postgres-away", "no PostgreSQL for two minutes", away, "postgres", lasting=True),
    Fault("table-locked", "a hot table locked for a minute", locked, "postgres", lasting=True),
    Fault("disk-full", "PostgreSQL's disk full for a minute", disk_full, "postgres", lasting=True),
)
