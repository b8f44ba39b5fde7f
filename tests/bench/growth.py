"""python -m tests.bench.growth: what an order costs PostgreSQL and the handlers as everything around it grows.

Real handlers on real databases, a batch at a time and without a broker, one thing growing after the other. What is
counted - buffers touched, log written, statements - does not depend on how busy the machine is; processor time does
little, and only its ratios within a run mean something. History, open orders, SKUs and stock are written set-based.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import matplotlib
import psycopg
import typer
from rich.console import Console

from deploy.local.instance import Instance
from deploy.local.native_postgres import SERVER_SETTINGS
from deploy.local.platform import TEMPORARY, Platform
from deploy.local.settings import ROOT, SERVICES, load_settings
from shared.contracts.channels import OrderLine, OrderSubmitted
from shared.contracts.fulfillment import ShipmentCreated
from shared.db.migrate import migrate
from shared.runtime.service import Service
from tests.bench.measure.machine import describe, usage
from tests.component.guards import life
from tests.component.guards.chain import Chain
from tests.harness import history
from tests.harness.history import Past

matplotlib.use("Agg")
from matplotlib import pyplot

console = Console()
RESULTS = ROOT / "build" / "growth.json"

STEPS = ("batches", "lines", "skus", "places", "open", "history")
_BATCH, _BATCHES = 100, 4
_COUNTERS = """
SELECT d.datname, sum(s.calls), sum(s.shared_blks_hit + s.shared_blks_read), sum(s.wal_bytes), sum(s.wal_fpi),
       sum(s.total_exec_time)
FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = ANY(%s) GROUP BY d.datname
"""
_CITIES = (
    ("Berlin", "DE"),
    ("Lyon", "FR"),
    ("Madrid", "ES"),
    ("Milano", "IT"),
    ("Utrecht", "NL"),
    ("Graz", "AT"),
)


class Growth:
    """The databases, the services on them, and what was measured so far."""

    def __init__(self, platform: Platform, into: Path) -> None:
        self._admin = psycopg.connect(platform.admin_url, autocommit=True)
        self._admin.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        self._pid = platform.postgres_pid
        self._into = into
        self._sqlalchemy = {name: platform.create_database(f"growth_{name}") for name in SERVICES}
        self.urls = {name: url.replace("+psycopg", "") for name, url in self._sqlalchemy.items()}
        self._names = {url.rpartition("/")[2]: name for name, url in self.urls.items()}
        self.results: list[dict[str, Any]] = []
        self.skus = list(life.SKUS)
        self._random = random.Random(7)

    async def build(self) -> None:
        """Services, a place, a catalogue, and the orders that history is made from."""
        services: dict[str, Service[Any, Any]] = {}
        for name, url in self._sqlalchemy.items():
            await asyncio.to_thread(
                migrate, name, url, import_module(f"services.{name}.store.tables").metadata
            )
            settings = import_module(f"services.{name}.settings").Settings
            services[name] = import_module(f"services.{name}.app").build(
                settings(database_url=url, kafka="127.0.0.1:1")
            )
        self.chain = Chain(services, life.bank)
        await life.stock_up(self.chain, len(life.SKUS))
        self.past = await life.past(self.chain)

    async def close(self) -> None:
        """Hang up."""
        for service in self.chain.services.values():
            await service.engine.dispose()
        self._admin.close()

    def run(self, service: str, statement: str, *values: Any) -> None:
        """One statement of our own, not counted."""
        with psycopg.connect(self.urls[service], autocommit=True) as connection:
            connection.execute(statement, values or None)

    async def vacuum(self) -> None:
        """As autovacuum would have left it, so that no step pays for the one before."""
        for service in SERVICES:
            await asyncio.to_thread(self.run, service, "VACUUM ANALYZE")

    async def measure(
        self,
        what: str,
        value: int | str,
        *,
        lines: int = 1,
        batch: int = _BATCH,
        batches: int = _BATCHES,
        work: Callable[[], Coroutine[Any, Any, int]] | None = None,
    ) -> None:
        """Orders from intake to recorded parcel (or `work`, which returns how many orders it was), by order."""

        async def orders() -> int:
            for _ in range(batches):
                self.chain.forget()
                await self.chain.say(self.submitted(batch, lines))
                assert len({parcel.order_id for parcel in self.chain.all(ShipmentCreated)}) == batch
            return batch * batches

        if work is None:
            await self.chain.say(self.submitted(batch, lines))  # Plans are made, pages are warm.
        self._admin.execute("SELECT pg_stat_statements_reset()")
        wal, handlers, postgres = self._wal(), time.process_time(), self._processor()
        count = await (work or orders)()
        handlers, postgres = time.process_time() - handlers, self._processor() - postgres
        wal = self._wal() - wal
        by_service, pages = {}, 0
        for database, calls, buffers, _, images, milliseconds in self._counters():
            pages += int(images)
            by_service[self._names[database]] = {
                "statements": round(float(calls) / count, 2),
                "buffers": round(float(buffers) / count, 1),
                "executing_ms": round(milliseconds / count, 3),
            }
        result = {
            "what": what,
            "value": value,
            "orders": count,
            "buffers": round(sum(each["buffers"] for each in by_service.values()), 1),
            "wal_bytes": round(wal / count),
            "full_pages": round(pages / count, 2),
            "executing_ms": round(sum(each["executing_ms"] for each in by_service.values()), 3),
            "postgres_cpu_ms": round(postgres * 1000 / count, 2),
            "handlers_cpu_ms": round(handlers * 1000 / count, 2),
            "services": by_service,
        }
        self.results.append(result)
        console.print(
            f"{what:>22} {value!s:>9}  buffers {result['buffers']:8.1f}  WAL {result['wal_bytes'] / 1000:7.1f} kB"
            f"  full pages {result['full_pages']:5.2f}  PostgreSQL {result['postgres_cpu_ms']:6.2f} ms"
            f"  handlers {result['handlers_cpu_ms']:6.2f} ms",
            highlight=False,
        )
        self.write()

    def write(self) -> None:
        """What is known so far, as JSON."""
        self._into.parent.mkdir(parents=True, exist_ok=True)
        self._into.write_text(
            json.dumps({"machine": describe(), "measured": self.results, "sizes": self.sizes()}, indent=1)
        )

    def sizes(self) -> dict[str, dict[str, list[int]]]:
        """Of every table: rows as last counted, bytes of the table, bytes of its indexes."""
        found = {}
        for service, url in self.urls.items():
            with psycopg.connect(url, autocommit=True) as connection:
                rows = connection.execute(
                    "SELECT relname, reltuples::bigint, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class"
                    " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname"
                )
                found[service] = {name: [count, table, indexes] for name, count, table, indexes in rows}
        return found

    def full_pages(self, on: bool) -> None:
        """Whether the first change of a page after a checkpoint logs all of it. Off, WAL is the same every time."""
        if on:
            self._admin.execute("CHECKPOINT")
        self._admin.execute(f"ALTER SYSTEM SET full_page_writes = {'on' if on else 'off'}")
        self._admin.execute("SELECT pg_reload_conf()")

    def submitted(self, size: int, lines: int) -> list[OrderSubmitted]:
        """New orders over the whole catalogue, to six cities."""
        made = []
        for order in life.submitted(size):
            city, country = self._random.choice(_CITIES)
            chosen = [
                OrderLine(
                    line_id=str(number), sku=sku, title="A thing", quantity=1, unit_price=1990, total=1990
                )
                for number, sku in enumerate(self._random.sample(self.skus, lines))
            ]
            address = order.address.model_copy(update={"city": city, "country": country})
            changes = {"lines": tuple(chosen), "total": 1990 * lines + 490, "address": address}
            made.append(order.model_copy(update=changes))
        return made

    def _wal(self) -> int:
        row = self._admin.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
        assert row is not None
        return int(row[0])

    def _processor(self) -> float:
        return usage([self._pid]).cpu_seconds if self._pid is not None else 0.0

    def _counters(self) -> list[tuple[Any, ...]]:
        return self._admin.execute(_COUNTERS, (list(self._names),)).fetchall()


async def grow(growth: Growth, steps: Collection[str], past_orders: int, open_orders: int) -> None:
    """The steps that are asked for; each thing grows beside the others at their smallest, history last."""
    growth.full_pages(False)
    await growth.measure("to recorded parcel", "start")
    await growth.measure("rest of its life", "start", work=lambda: _rest(growth))
    if "batches" in steps:
        for batch, batches in ((1, 40), (10, 10), (100, 4), (500, 1)):
            await growth.measure("orders in a batch", batch, batch=batch, batches=batches)
    if "lines" in steps:
        for lines in (1, 5, 20):
            await growth.measure("lines of an order", lines, lines=lines)
    if "skus" in steps:
        await growth.measure("SKUs", len(growth.skus))
        for skus in (5_000, 50_000):
            _catalogue(growth, skus)
            await growth.vacuum()
            await growth.measure("SKUs", skus)
        growth.skus = list(life.SKUS)
    if "places" in steps:
        await growth.measure("places with every SKU", 1)
        for places in (3, 10, 30, 100):
            _places(growth, places)
            await growth.vacuum()
            await growth.measure("places with every SKU", places)
        growth.run("inventory", "UPDATE places SET active = (place_id = 'guard-place')")
        growth.run("inventory", "DELETE FROM stock WHERE place_id <> 'guard-place'")
        await growth.vacuum()
    if "open" in steps:
        growth.run("orders", "INSERT INTO progress VALUES ('order.submitted', 0, now(), 0)")
        waiting = await life.waiting(growth.chain, growth.past.messages)
        for upto in (open_orders // 10, open_orders):
            await _write(growth, waiting, upto, days=2)
            await growth.measure("open orders", upto)
            await growth.measure("deadlines job, open", upto, work=lambda: _deadlines(growth))
    if "history" in steps:
        for upto in (past_orders // 100, past_orders // 10, past_orders):
            await _write(growth, growth.past, upto, days=400)
            await growth.measure("orders that are over", upto)
            growth.full_pages(True)
            await growth.measure("the same, full pages", upto)
            growth.full_pages(False)
        await growth.measure("rest of its life", "end", work=lambda: _rest(growth))


async def _rest(growth: Growth) -> int:
    parcels = await life.created(growth.chain, _BATCH)
    growth._admin.execute("SELECT pg_stat_statements_reset()")
    gone = await life.dispatched(growth.chain, parcels)
    await life.scanned(growth.chain, gone, "delivered")
    return len(gone)


async def _deadlines(growth: Growth) -> int:
    from services.orders.jobs import look_at_deadlines

    for _ in range(_BATCH):
        await look_at_deadlines(growth.chain.services["orders"])
    return _BATCH


async def _write(growth: Growth, past: Past, upto: int, *, days: float) -> None:
    """Bring this kind of order to `upto` copies."""
    done = _written.get(past.began, 0)
    now = datetime.now(UTC)
    # Every round adds a slice of the time before now: ids rise within it.
    history.write(
        growth.urls, past, first=now - timedelta(days=days), last=now - timedelta(minutes=1), total=upto,
        numbers=range(done, upto), writers=2,
    )  # fmt: skip
    _written[past.began] = upto
    await growth.vacuum()


_written: dict[datetime, int] = {}


def _catalogue(growth: Growth, skus: int) -> None:
    known = len(growth.skus)
    numbers = f"generate_series({known}, {skus - 1}) n"
    growth.run("inventory", f"INSERT INTO skus (sku, weight_g) SELECT 'GUARD-' || n, 100 FROM {numbers}")
    growth.run(
        "inventory",
        "INSERT INTO stock (sku, place_id, on_hand, reserved, unavailable)"
        f" SELECT 'GUARD-' || n, 'guard-place', 1000000, 0, 0 FROM {numbers}",
    )
    growth.skus += [f"GUARD-{number}" for number in range(known, skus)]


def _places(growth: Growth, places: int) -> None:
    """Every SKU of the small catalogue lies at so many places, all over the cities."""
    growth.run(
        "inventory",
        "INSERT INTO places (place_id, kind, name, address, active)"
        " SELECT 'place-' || n, 'warehouse', 'Place ' || n, jsonb_build_object('country',"
        " (ARRAY['DE','FR','ES','IT','NL','AT'])[n % 6 + 1], 'city',"
        " (ARRAY['Berlin','Lyon','Madrid','Milano','Utrecht','Graz'])[n % 6 + 1]), true"
        f" FROM generate_series(2, {places}) n ON CONFLICT DO NOTHING",
    )
    growth.run(
        "inventory",
        "INSERT INTO stock (sku, place_id, on_hand, reserved, unavailable)"
        " SELECT 'GUARD-' || to_char(s, 'FM000'), 'place-' || n, 1000000, 0, 0"
        f" FROM generate_series(0, 499) s, generate_series(2, {places}) n ON CONFLICT DO NOTHING",
    )


def draw(measured: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Pages touched for an order as each thing grows, against its smallest."""
    figure, axes = pyplot.subplots(figsize=(7, 4))
    for what, label in _LINES.items():
        found = [entry for entry in measured if entry["what"] == what]
        if len(found) > 1:
            first = found[0]
            axes.plot(
                [entry["value"] / first["value"] for entry in found],
                [entry["buffers"] / first["buffers"] for entry in found],
                marker="o",
                markersize=4,
                label=f"{label}, {first['value']:,} to {found[-1]['value']:,}",
            )
    axes.set(
        xscale="log", yscale="log", xlabel="grown by", ylabel="pages touched per order, against the smallest"
    )
    axes.set_yticks([0.25, 0.5, 1, 2, 4], labels=["0.25x", "0.5x", "1x", "2x", "4x"])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower right", bbox_to_anchor=(1, 0.14))  # The one place without lines.
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


_LINES = {
    "orders in a batch": "orders in a batch",
    "lines of an order": "lines of an order",
    "SKUs": "SKUs",
    "places with every SKU": "places that have every SKU",
    "open orders": "open orders",
    "orders that are over": "orders that are over",
}


def main(
    past: Annotated[
        int, typer.Option(help="Orders that are over in the tables at the end.", min=100)
    ] = 1_000_000,
    waiting: Annotated[int, typer.Option(help="Open orders in the tables at the end.", min=10)] = 100_000,
    steps: Annotated[str, typer.Option(help="Which things grow, comma-separated.")] = ",".join(STEPS),
    into: Annotated[Path, typer.Option(help="Where the figures go; the plot lies beside them.")] = RESULTS,
) -> None:
    """Measure what an order costs as batches, lines, SKUs, places, open orders and history grow.

    Starts a PostgreSQL of its own and removes it afterwards; needs about 15 kB of disk per order of the past and takes
    some ten minutes. Prints as it goes.
    """
    unknown = set(steps.split(",")) - set(STEPS)
    if unknown:
        raise typer.BadParameter(f"no such step: {', '.join(sorted(unknown))}; there are {', '.join(STEPS)}")
    platform = Platform(Instance(TEMPORARY / "growth"), load_settings(), any_port=True, temporary=True)
    # What stands on the server's command line cannot be changed while it runs.
    del SERVER_SETTINGS["full_page_writes"]
    with platform:
        platform.start_postgres()

        async def work() -> None:
            growth = Growth(platform, into)
            await growth.build()
            try:
                await grow(growth, steps.split(","), past, waiting)
            finally:
                await growth.close()

        asyncio.run(work())
    plot = into.with_suffix(".png")
    draw(json.loads(into.read_text())["measured"], plot)
    console.print(f"\nfigures: {into}, plot: {plot}", highlight=False)


if __name__ == "__main__":
    typer.run(main)
