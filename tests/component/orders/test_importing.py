"""Files of orders: every row accepted, known or refused with its reason; running it again changes nothing."""

import asyncio
import csv
import json
import os
import subprocess
import sys

import pytest

from tests.component.orders import world as say
from tests.harness.service import running

HEADER = (
    "channel,external_id,currency,email,country,line_id,sku,quantity,unit_price,line_total,shipping,total,"
    "payment_id,payment_authorized"
)


@pytest.fixture
def run(platform, topic_prefix):
    """Runs the command on a database, as a person would; returns exit code and output."""

    def command(database_url, *arguments):
        environment = {
            **os.environ,
            "OMS_ORDERS_DATABASE_URL": database_url,
            "OMS_TOPIC_PREFIX": topic_prefix,
        }
        done = subprocess.run(
            [sys.executable, "-m", "services.orders", "import", *map(str, arguments)],
            env=environment, capture_output=True, text=True, timeout=110, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    return command


async def test_json_lines_are_imported_once_and_refused_rows_are_told(platform, topic_prefix, tmp_path, run):
    good = [say.body(say.order(f"J-{number}")) for number in range(700)]
    lines = [json.dumps(one) for one in good]
    lines[10] = "{not json"
    lines[20] = json.dumps(good[20] | {"total": 1, "currency": "EUX"})
    lines.append(json.dumps(good[5] | {"shipping": 0, "total": 7000}))
    file, refused = tmp_path / "orders.jsonl", tmp_path / "refused.csv"
    file.write_text("\n".join(lines) + "\n\n")
    async with running(platform, "orders", prefix=topic_prefix, roles=("api",)) as service:

        async def count():
            return (await service.rows("SELECT count(*) AS n FROM orders"))[0]["n"]

        code, output = await asyncio.to_thread(run, service.database_url, file, "--dry-run")
        assert (code, await count()) == (1, 0), output
        assert "nothing was changed" in output
        code, output = await asyncio.to_thread(run, service.database_url, file, "--refused", refused)
        assert code == 1 and "701 orders: 698 accepted, 0 known before, 3 refused" in output, output
        assert await count() == 698
        with refused.open() as told:
            rows = [(row["row"], row["external_id"], row["field"]) for row in csv.DictReader(told)]
        assert sorted(rows) == sorted(
            [("11", "", "(row)"), ("21", "J-20", "total"), ("21", "J-20", "currency"),
             ("701", "J-5", "shipping"), ("701", "J-5", "total")]
        )  # fmt: skip
        code, output = await asyncio.to_thread(run, service.database_url, file)
        assert "0 accepted, 698 known before, 3 refused" in output and await count() == 698


async def test_csv_rows_become_orders_with_lines_and_faults_name_their_row(
    platform, topic_prefix, tmp_path, run
):
    file, refused = tmp_path / "orders.csv", tmp_path / "refused.csv"
    file.write_text(
        f"{HEADER}\n"
        "shop,C-1,EUR,ada@example.org,DE,1,MUG,2,1000,2000,500,6500,P9,6500\n"
        "shop,C-1,,,,2,LAMP,1,4000,4000,,,,\n"
        'shop,C-2,EUR,,DE,1,"MUG, blue",1,1000,1000,0,1000,,\n'
        "shop,C-3,EUR,,DE,1,MUG,1,1000,1000,0,3000,,\n"
        "shop,C-3,USD,,DE,2,MUG,two,1000,2000,,3000,,\n"
    )
    async with running(platform, "orders", prefix=topic_prefix, roles=("api",)) as service:
        code, output = await asyncio.to_thread(run, service.database_url, file, "--refused", refused)
        assert code == 1 and "3 orders: 2 accepted, 0 known before, 1 refused" in output, output
        found = (await service.http.get("/orders", params={"external_id": "C-1"})).json()["items"][0]
        shown = (await service.http.get(f"/orders/{found['order_id']}")).json()
        assert [(line["sku"], line["total"]) for line in shown["lines"]] == [("MUG", 2000), ("LAMP", 4000)]
        assert (shown["total"], shown["funds"], shown["contact"]["email"]) == (6500, 6500, "ada@example.org")
        with refused.open() as told:
            rows = {(row["row"], row["field"]) for row in csv.DictReader(told)}
        assert rows == {("5", "currency"), ("6", "lines.1.quantity")}
        file.write_text("channel,externalid\nshop,1\n")
        code, output = await asyncio.to_thread(run, service.database_url, file)
        assert code == 2 and "unknown: externalid" in output and "missing: country, currency" in output
