"""Orders under way and what became of them: who is submitted, heard of, paid, recorded."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
import psycopg
from aiokafka.structs import ConsumerRecord

from tests.bench.load.latencies import Latencies
from tests.bench.load.orders import CHANNEL, Maker, Order
from tests.bench.load.settings import LoadSettings
from tests.bench.load.web import Web
from tests.bench.load.wire import Said, Wire, partition_of

HEARS = ("order.placed", "shipment.created", "order.cancelled", "order.refused", "payment.void_requested")


class Refused(RuntimeError):
    """The system did not take an order of the benchmark; every figure would be of something else."""


class Book:
    """Submits orders, answers for the payment service, and notices when an order has come to its end."""

    def __init__(
        self, settings: LoadSettings, wire: Wire, web: Web | None, database: psycopg.AsyncConnection[Any]
    ) -> None:
        self._settings = settings
        self._wire = wire
        self._web = web
        self._database = database
        self._maker = Maker(settings.run, settings.workload)
        self._open: dict[str, Order] = {}
        self._by_id: dict[str, Order] = {}
        self._said_shipped: dict[str, Order] = {}
        self._look = asyncio.Event()
        self._requests: set[asyncio.Task[None]] = set()
        self._poll = _pause(settings.in_flight)
        self._gather = 0.02 if settings.in_flight is None else 0.0
        self.moved = asyncio.Event()
        """Set whenever an order ended."""
        self.latencies = Latencies()
        self.slice = Latencies()
        self.counting = False
        """Whether orders that end now are measured (closed loop)."""
        self.due_window: tuple[float, float] | None = None
        """Orders due within it are measured, whenever they end (open loop)."""
        self.ended = self.shipped = self.cancelled = self.unexpected = 0
        self.to_void = 0
        """Payments of orders to be cancelled that were not given up yet."""

    @property
    def submitted(self) -> int:
        """Orders made so far."""
        return self._maker.made

    @property
    def under_way(self) -> int:
        """Orders that have not ended."""
        return len(self._open)

    async def submit(self, dues: Iterable[float]) -> None:
        """Submit an order for each of these moments at which it was due."""
        made = [self._maker.make(due) for due in dues]
        for order, _ in made:
            self._open[order.external_id] = order
        if self._web is not None:
            for order, body in made:
                task = asyncio.create_task(self._post(order, body))
                self._requests.add(task)
                task.add_done_callback(self._requests.discard)
        else:
            partitions = await self._wire.partitions("order.submitted")
            await self._wire.say("order.submitted", [_said(order, body, partitions) for order, body in made])

    async def _post(self, order: Order, body: Mapping[str, Any]) -> None:
        assert self._web is not None
        status, answer = await self._web.post("/orders", orjson.dumps(body), order.external_id)
        if status not in (200, 201, 202):
            raise RuntimeError(f"POST /orders was answered {status}: {answer[:300]!r}")
        if self._settings.ends == "accepted":
            self._end(order, time.perf_counter())

    async def listen(self) -> None:
        """Hear what the system says, until cancelled. In an open loop payments are answered every 20 ms, together."""
        while True:
            payments: list[Said] = []
            cancels: list[Order] = []
            for place, records in (await self._wire.hear()).items():
                topic = self._wire.topic(place)
                if topic == "order.placed":
                    payments += self._placed(records, cancels)
                elif topic == "shipment.created":
                    self._created(records, cancels)
                elif topic == "order.cancelled":
                    self._cancelled(records)
                elif topic == "payment.void_requested":
                    await self._wire.say("payment.voided", [_voided(record) for record in records])
                    self.to_void -= len(records)
                else:
                    self._refused(records)
            if payments:
                await self._wire.say("payment.authorized", payments)
                await asyncio.sleep(self._gather)
            if cancels:
                partitions = await self._wire.partitions("order.cancel_submitted")
                await self._wire.say(
                    "order.cancel_submitted", [_cancel(order, partitions) for order in cancels]
                )

    def _placed(self, records: Sequence[ConsumerRecord], cancels: list[Order]) -> list[Said]:
        payments: list[Said] = []
        for record in records:
            event = orjson.loads(record.value)
            order = self._open.get(event["external_id"])
            if order is None or order.order_id:
                continue
            order.order_id = event["order_id"]
            self._by_id[order.order_id] = order
            if order.fate == "cancel early":
                cancels.append(order)
            if order.fate != "reject":
                payment = {"order_id": order.order_id, "payment_id": f"pay-{order.external_id}",
                           "amount": order.total, "currency": "EUR"}  # fmt: skip
                # Keyed by the order, as order.placed was, so it belongs to the partition of the same number.
                payments.append(
                    (record.partition, record.key, orjson.dumps(payment), f"paid-{order.external_id}")
                )
                self.to_void += order.fate != "ship"
        return payments

    def _created(self, records: Sequence[ConsumerRecord], cancels: list[Order]) -> None:
        for record in records:
            order = self._by_id.get(record.key.decode())
            if order is None:
                continue
            order.parcels -= 1
            if order.parcels == 0 and order.fate == "ship":
                self._said_shipped[order.order_id] = order
                self._look.set()
            elif order.parcels == 0 and order.fate == "cancel late":
                cancels.append(order)

    def _cancelled(self, records: Sequence[ConsumerRecord]) -> None:
        now = time.perf_counter()
        for record in records:
            order = self._by_id.get(record.key.decode())
            if order is not None:
                self.unexpected += order.fate == "ship"
                self.cancelled += 1
                self._end(order, now)

    def _refused(self, records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            event = orjson.loads(record.value)
            if event["external_id"] in self._open and event["refused"] == "order":
                raise Refused(f"{event['external_id']}: {event['errors']}")

    async def watch(self) -> None:
        """Ask the orders database what it has recorded of the shipments that were said, until cancelled."""
        while True:
            await self._look.wait()
            cursor = await self._database.execute(
                self._settings.recorded, (list(self._said_shipped),), prepare=True
            )
            rows = await cursor.fetchall()
            now = time.perf_counter()
            for (order_id,) in rows:
                self.shipped += 1
                self._end(self._said_shipped.pop(str(order_id)), now)
            if not self._said_shipped:
                self._look.clear()
            await asyncio.sleep(self._poll)

    def _end(self, order: Order, now: float) -> None:
        del self._open[order.external_id]
        self._by_id.pop(order.order_id, None)
        self.ended += 1
        measured = self.counting
        if self.due_window is not None:
            measured = self.due_window[0] <= order.started < self.due_window[1]
        if measured:
            self.latencies.add(now - order.started)
            self.slice.add(now - order.started)
        self.moved.set()


def _pause(in_flight: int | None) -> float:
    """Seconds between two looks into the orders database. With more under way a look finds more of them at once and
    a pause weighs less, so the generator takes less of the machine that is measured; alike for every system."""
    if in_flight is None:
        return 0.025
    return min(0.025, max(0.001, in_flight * 0.00005))


def _said(order: Order, body: Mapping[str, Any], partitions: int) -> Said:
    key = f"{CHANNEL}:{order.external_id}".encode()
    return partition_of(key, partitions), key, orjson.dumps(body), order.external_id


def _voided(record: ConsumerRecord) -> Said:
    asked = orjson.loads(record.value)
    body = {name: asked[name] for name in ("order_id", "payment_id", "request_id", "amount", "currency")}
    return record.partition, record.key, orjson.dumps(body), f"void-{asked['request_id']}"


def _cancel(order: Order, partitions: int) -> Said:
    key = f"{CHANNEL}:{order.external_id}".encode()
    body = orjson.dumps({"channel": CHANNEL, "external_id": order.external_id})
    return partition_of(key, partitions), key, body, f"cancel-{order.external_id}"
