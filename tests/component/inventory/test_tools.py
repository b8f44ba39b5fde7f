"""The audit and the import, as a person runs them."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.local import Platform
from services.inventory.app import build
from services.inventory.handlers.order_placed import order_placed
from services.inventory.jobs import audit
from services.inventory.tools import create_tools
from shared.db.ids import new_id
from tests.component.inventory.batches import handle
from tests.component.inventory.world import World, order
from tests.harness.service import Running, Wire, running


@pytest.fixture(scope="module")
async def own(platform: Platform, topic_prefix: str) -> AsyncIterator[World]:
    """A service and database of this module alone, because one of its tests damages the counters."""
    async with running(platform, "inventory", prefix=topic_prefix, roles=("api",)) as service:
        yield World(service, Wire(None, topic_prefix))


async def run(service: Running, *words: str) -> tuple[int, str]:
    """The command line in a thread of its own: exit code and output."""
    environment = {"OMS_INVENTORY_DATABASE_URL": service.database_url, "COLUMNS": "200"}
    result = await asyncio.to_thread(CliRunner().invoke, create_tools(build), words, env=environment)
    return result.exit_code, result.output


async def test_import_takes_sound_rows_and_writes_down_the_others(own: World, tmp_path: Path) -> None:
    mark = new_id()
    skus = tmp_path / "skus.csv"
    skus.write_text(
        "sku,title,weight_g,length_mm,width_mm,height_mm\n"
        f"{mark}-a,Mug,300,100,100,120\n{mark}-b,Cup,,,,\n{mark}-c,Box,heavy,,,\n{mark}-d,too,few\n"
    )
    code, output = await run(own.service, "import", "skus", str(skus), "--dry-run")
    assert code == 1 and "2 created, 2 refused" in output
    assert (await own.service.http.get("/skus", params={"prefix": mark})).json()["items"] == []
    code, output = await run(own.service, "import", "skus", str(skus))
    assert code == 1 and "2 created, 2 refused" in output
    listed = (await own.service.http.get("/skus", params={"prefix": mark})).json()["items"]
    assert [(it["sku"], it["weight_g"]) for it in listed] == [(f"{mark}-a", 300), (f"{mark}-b", None)]
    assert listed[0]["size"] == {"length_mm": 100, "width_mm": 100, "height_mm": 120}
    refused = [json.loads(line) for line in (tmp_path / "skus.csv.refused.jsonl").read_text().splitlines()]
    assert [(it["row"], it["errors"][0]["field"]) for it in refused] == [(3, "weight_g"), (4, "(row)")]

    places = tmp_path / "places.csv"
    places.write_text(
        f"place_id,name,country,city,latitude,longitude,active\n{mark}-p,Main,DE,Berlin,52.5,13.4,true\n"
    )
    assert (await run(own.service, "import", "places", str(places)))[0] == 0
    adjustments = tmp_path / "stock.jsonl"
    rows = [
        {
            "adjustment_id": f"{mark}-{sku}",
            "sku": f"{mark}-{sku}",
            "place_id": f"{mark}-p",
            "delta": 7,
            "reason": "received",
        }
        for sku in "abc"
    ]
    adjustments.write_text("\n".join(json.dumps(row) for row in rows) + "\n{broken\n")
    for expected in ("2 applied, 2 refused", "2 known, 2 refused"):
        code, output = await run(own.service, "import", "adjustments", str(adjustments))
        assert code == 1 and expected in output
    assert await own.level(f"{mark}-a", f"{mark}-p") == (7, 0, 0)


async def test_the_audit_finds_what_was_planted(own: World) -> None:
    place = await own.place()
    sku = await own.sku({place: 10})
    await handle(own.service, order_placed, order({sku: 2}))
    code, output = await run(own.service, "audit")
    assert code == 0 and "counters equal the ledger's sums" in output
    await own.service.rows("UPDATE stock SET on_hand = 13, reserved = 1 WHERE sku = :sku", sku=sku)
    code, output = await run(own.service, "audit")
    assert code == 1 and sku in output
    found = await audit(own.service.service)
    assert {(it["counter"], it["counted"], it["explained"]) for it in found} == {
        ("on_hand", 13, 10),
        ("reserved", 1, 2),
        ("held", 1, 2),
    }
    metrics = (await own.service.http.get("/metrics")).text
    assert 'oms_ledger_drift_units{service="inventory"} 5.0' in metrics
    await own.service.rows("UPDATE stock SET on_hand = 10, reserved = 2 WHERE sku = :sku", sku=sku)
    assert await audit(own.service.service) == []


async def test_files_that_are_not_what_they_seem(own: World, tmp_path: Path) -> None:
    mark = new_id()
    lines = tmp_path / "skus.jsonl"
    half, deep = b'{"sku": "\\ud800"}', b'{"sku": ' + b"[" * 500 + b"]" * 500 + b"}"
    lines.write_bytes(b"\n".join([half, deep, b'{"sku": "\xff"}', b'{"sku": 1' + b"0" * 5_000 + b"}",
                                  f'{{"sku": "{mark}"}}'.encode()]))  # fmt: skip
    code, output = await run(own.service, "import", "skus", str(lines))
    assert code == 1 and "1 created, 4 refused" in output, output
    refused = [json.loads(line) for line in (tmp_path / "skus.jsonl.refused.jsonl").read_text().splitlines()]
    assert [row["row"] for row in refused] == [1, 2, 3, 4] and all(row["errors"] for row in refused)
    for name, body in {"latin1": b"sku,title\nx,M\xfcller\n", "quotes": b'sku,title\nx,"y"z\n'}.items():
        file = tmp_path / f"{name}.csv"
        file.write_bytes(body)
        code, output = await run(own.service, "import", "skus", str(file))
        assert (
            code == 2
            and f"error: {name}.csv, " in output
            and ("line 2" in output or "after line 1" in output)
        )
