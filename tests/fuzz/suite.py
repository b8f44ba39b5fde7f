"""The five services as hostile input meets them, with a few honest orders inside whose ids the input may use."""

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from deploy.demo.mailbox import Mailbox
from deploy.demo.quiet import Quiet
from deploy.local import Platform
from shared.contracts.carriers import ShipmentTrackingSubmitted
from shared.contracts.fulfillment import ShipmentCreated, ShipmentDelivered
from shared.contracts.orders import OrderConfirmed, OrderPlaced
from shared.contracts.payments import PaymentAuthorized
from tests.fuzz.report import Report
from tests.harness.service import Running, Wire, running, until, wire

SERVICES = ("orders", "inventory", "fulfillment", "returns", "notifications")
MARK = re.compile(r"fz\d+x")
_KEPT_APART = {"dead_letters", "inbox", "outbox", "progress", "idempotency", "alembic_version"}
_STANDSTILL = 90.0
"""Seconds without any movement after which something hangs. Nothing is faster or slower for it."""


def mark(number: int) -> str:
    """What input number `number` calls itself, wherever it may name something."""
    return f"fz{number}x"


@dataclass
class Suite:
    """The running services. `known` are ids of honest things, `bad` the marks of inputs that may leave no trace."""

    services: dict[str, Running]
    topics: Wire
    mailbox: Mailbox
    quiet: Quiet
    platform: Platform
    prefix: str
    folder: Path
    known: dict[str, list[str]] = field(default_factory=dict)
    bad: set[str] = field(default_factory=set)
    bystander: str = ""

    async def settle(self, report: Report) -> bool:
        """Wait until every message is read and every answer sent, however long it takes, as long as something moves."""
        before, since = None, time.monotonic()
        while True:
            noises = [noise for noise in await self.quiet.noises(aggregates=False) if "mails" not in noise]
            if not noises:
                return True
            if noises != before:
                before, since = noises, time.monotonic()
            elif time.monotonic() - since > _STANDSTILL:
                report.found("partition", f"stands still: {'; '.join(noises)}")
                return False
            await asyncio.sleep(0.2)

    async def bystander_told(self) -> bool:
        """Whether the mails about the order that nobody talks about are sent."""
        query = "SELECT state FROM deliveries WHERE order_id = :id"
        rows = await self.services["notifications"].rows(query, id=self.bystander)
        return len(rows) >= 3 and all(row["state"] == "sent" for row in rows)

    async def snapshot(self) -> dict[str, Any]:
        """The order that nobody talks about, as every service knows it."""
        rows: dict[str, Any] = {}
        for name, service in self.services.items():
            for table in await self._tables(name):
                found = await service.rows(
                    # The clock moves it: a deadline that lies behind gives way to the next.
                    "SELECT (to_jsonb(t) - 'deadline_at')::text AS row"
                    f" FROM {table} t WHERE t::text LIKE :id ORDER BY 1",
                    id=f"%{self.bystander}%",
                )
                rows[f"{name}.{table}"] = [row["row"] for row in found]
        return rows

    async def traces(self) -> dict[str, set[str]]:
        """Mark -> the tables that know it. Dead letters, and what is on its way, are no trace."""
        found: dict[str, set[str]] = {}
        for name, service in self.services.items():
            for table in await self._tables(name):
                query = (
                    f"SELECT DISTINCT (regexp_matches(t::text, 'fz[0-9]+x', 'g'))[1] AS mark FROM {table} t"
                )
                for row in await service.rows(query):
                    found.setdefault(row["mark"], set()).add(f"{name}.{table}")
        return found

    async def bytes_stored(self) -> int:
        """What the five databases take on disk."""
        sizes = [
            await service.rows("SELECT pg_database_size(current_database()) AS size")
            for service in self.services.values()
        ]
        return sum(int(rows[0]["size"]) for rows in sizes)

    async def _tables(self, service: str) -> list[str]:
        rows = await self.services[service].rows(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        )
        return [row["tablename"] for row in rows if row["tablename"] not in _KEPT_APART]


@asynccontextmanager
async def suite(platform: Platform, prefix: str, folder: Path) -> AsyncIterator[Suite]:
    """All five, their topics, and a mail server."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    for name in (None, "faststream", "aiokafka", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    async with AsyncExitStack() as stack:
        mailbox = stack.enter_context(Mailbox(folder / "mails"))
        own: dict[str, dict[str, Any]] = {
            "notifications": {"smtp_port": mailbox.port, "smtp_per_second": 0},
            "orders": {"payment_seconds": 3600},
        }
        services: dict[str, Running] = {}
        for name in SERVICES:
            services[name] = await stack.enter_async_context(
                # A handler that fails is a finding; the breaker would only hide the next one.
                running(platform, name, prefix=prefix, breaker_limit=100_000, **own.get(name, {}))
            )
        topics = await stack.enter_async_context(wire(platform, prefix))
        urls = {name: service.database_url for name, service in services.items()}
        quiet = await stack.enter_async_context(Quiet(urls, platform.kafka, prefix))
        made = Suite(services, topics, mailbox, quiet, platform, prefix, folder)
        await _live(made)
        yield made


async def _live(made: Suite) -> None:
    """Honest orders at every stage; the last one is the bystander, of whom no input speaks."""
    http = {name: service.http for name, service in made.services.items()}
    address = {"name": "A. Customer", "street": "Main St 1", "city": "Bremen", "country": "DE"}
    for place in ("hub", "apart"):
        _ok(await http["inventory"].put(f"/places/{place}", json={"address": address}))
        _ok(await http["inventory"].put(f"/skus/sku-{place}", json={"weight_g": 250}))
        entry = {
            "adjustment_id": f"first-{place}",
            "sku": f"sku-{place}",
            "place_id": place,
            "delta": 500,
            "reason": "received",
        }
        _ok(await http["inventory"].post("/adjustments", json=entry))
    known: dict[str, list[str]] = {
        name: [] for name in ("order_id", "shipment_id", "return_id", "tracking_number", "external_id")
    }
    for number, stage in enumerate(("placed", "confirmed", "booked", "delivered", "returned", "bystander")):
        sku = "sku-apart" if stage == "bystander" else "sku-hub"
        line = {"line_id": "1", "sku": sku, "quantity": 2, "unit_price": 1000, "total": 2000}
        body = {
            "channel": "shop", "external_id": f"honest-{number}", "currency": "EUR", "total": 2000, "lines": [line],
            "contact": {"name": "A. Customer", "email": f"{stage}@honest.example", "locale": "en"}, "address": address,
        }  # fmt: skip
        order_id = str(_ok(await http["orders"].post("/orders", json=body)).json()["order_id"])
        names: dict[str, str] = {"order_id": order_id, "external_id": f"honest-{number}"}
        if stage != "placed":
            await _ship(made, order_id, stage, names)
        if stage == "bystander":
            made.bystander = order_id
            continue
        for name, value in names.items():
            known[name].append(value)
    deliveries = await made.services["notifications"].rows(
        "SELECT delivery_id FROM deliveries WHERE order_id <> :other", other=made.bystander
    )
    made.known = known | {
        "sku": ["sku-hub"], "place_id": ["hub"], "delivery_id": [row["delivery_id"] for row in deliveries],
        "template": ["order_confirmed", "refund_issued"], "attention_id": ["1"],
    }  # fmt: skip


async def _ship(made: Suite, order_id: str, stage: str, names: dict[str, str]) -> None:
    mine = lambda event: event.order_id == order_id  # noqa: E731
    http = made.services["fulfillment"].http
    await made.topics.expect(OrderPlaced, mine)
    await made.topics.say(
        PaymentAuthorized(order_id=order_id, payment_id=f"pay-{order_id}", amount=2000, currency="EUR")
    )
    await made.topics.expect(OrderConfirmed, mine)
    created: ShipmentCreated = await made.topics.expect(ShipmentCreated, mine)
    names["shipment_id"] = created.shipment_id
    if stage == "confirmed":
        return
    for step in ("pick", "pack", "book"):
        _ok(await http.post(f"/shipments/{created.shipment_id}/{step}", json={}))
    seen = (await http.get(f"/shipments/{created.shipment_id}")).json()
    names["tracking_number"] = seen["tracking_number"]
    if stage == "booked":
        return
    sent = _ok(await http.post(f"/shipments/{created.shipment_id}/dispatch", json={})).json()
    moment = (
        sent.get("dispatched_at")
        or (await http.get(f"/shipments/{created.shipment_id}")).json()["dispatched_at"]
    )
    await made.topics.say(
        ShipmentTrackingSubmitted(
            scan_id=f"scan-{order_id}", tracking_number=seen["tracking_number"], carrier=seen["carrier"],
            status="delivered", occurred_at=moment,
        )
    )  # fmt: skip
    await made.topics.expect(ShipmentDelivered, mine)
    if stage == "returned":
        wanted = {"order_id": order_id, "units": [{"line_id": "1", "quantity": 1, "reason": "defective"}]}

        async def authorized() -> Any:
            answer = await made.services["returns"].http.post("/returns", json=wanted)
            return answer.json() if answer.status_code in (200, 201) else None

        names["return_id"] = (await until(authorized, "a return is authorised"))["return_id"]


def _ok(answer: Any) -> Any:
    assert answer.status_code < 300, (answer.request.url, answer.status_code, answer.text)
    return answer
