"""Everybody around the suite, acting on what the services say: payer and bank, warehouse, carrier, customers."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from deploy.demo.agenda import Agenda, Collector
from deploy.demo.book import Book, Open
from deploy.demo.datasets.model import Dice, Habits
from deploy.demo.desk import Desk
from deploy.demo.hands import Hands
from deploy.demo.intake import Intake
from deploy.demo.players import Saying
from deploy.demo.players.carrier import Carrier
from deploy.demo.players.payments import PaymentService
from deploy.demo.services import Http
from deploy.demo.topics import Topics
from shared.contracts.envelope import Event
from shared.contracts.fulfillment import (
    ShipmentCancelled,
    ShipmentCancelRefused,
    ShipmentCreated,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentExceptionRaised,
    ShipmentLost,
    ShipmentReturnedToSender,
    ShipmentTrackingRefused,
)
from shared.contracts.inventory import StockAdjustmentRefused, StockRejected, StockReserved
from shared.contracts.notifications import NotificationFailed, NotificationSent
from shared.contracts.orders import (
    OrderCancelled,
    OrderCompleted,
    OrderConfirmed,
    OrderPlaced,
    OrderRefused,
    PaymentCaptureRequested,
    PaymentRefundRequested,
    PaymentVoidRequested,
    RefundIssued,
)
from shared.contracts.returns import ReturnAuthorized, ReturnReceived, ReturnRejected

HEARD: tuple[type[Event], ...] = (
    OrderRefused, OrderPlaced, StockReserved, StockRejected, OrderConfirmed, ShipmentCreated, ShipmentDispatched,
    ShipmentDelivered, ShipmentExceptionRaised, ShipmentLost, ShipmentReturnedToSender, ShipmentCancelled,
    ShipmentCancelRefused, OrderCancelled, OrderCompleted, PaymentCaptureRequested, PaymentRefundRequested,
    PaymentVoidRequested, ReturnAuthorized, ReturnReceived, ReturnRejected, RefundIssued, NotificationSent,
    NotificationFailed, ShipmentTrackingRefused, StockAdjustmentRefused,
)  # fmt: skip
"""What is listened to: to act on it, or to count it."""


class Company:
    """Hears what the suite says and does what the players decide."""

    def __init__(
        self, book: Book, agenda: Agenda, http: Http, topics: Topics, dice: Dice, habits: Habits,
        intake: Intake, desk: Desk, hands: Hands,
    ) -> None:  # fmt: skip
        self.payments = PaymentService(dice, habits)
        self._carrier = Carrier(dice, habits)
        self._book = book
        self._agenda = agenda
        self._http = http
        self._topics = topics
        self._dice = dice
        self._intake = intake
        self._desk = desk
        self._hands = hands
        self._scans = Collector(agenda, self._send_scans, most=200, seconds=0.1)
        self._acts: dict[type[Event], Callable[[Any], Awaitable[None] | None]] = {
            OrderPlaced: self._placed,
            OrderRefused: self._refused,
            ShipmentCreated: self._created,
            ShipmentDispatched: self._dispatched,
            ShipmentDelivered: desk.delivered,
            ShipmentCancelled: hands.recount,
            ShipmentCancelRefused: self._cancel_refused,
            OrderCancelled: lambda event: self._over(event, cancelled=True),
            OrderCompleted: lambda event: self._over(event, cancelled=False),
            PaymentCaptureRequested: lambda event: self._pay(self.payments.answer(event)),
            PaymentRefundRequested: lambda event: self._pay(self.payments.answer(event)),
            PaymentVoidRequested: lambda event: self._pay(self.payments.answer(event)),
            ReturnAuthorized: hands.goods_came_back,
            RefundIssued: self._refunded,
        }

    async def hear(self, model: type[Event], body: bytes, headers: Mapping[str, str]) -> None:
        """One message of the suite. What nobody acts on is counted and not read."""
        self._book.seen[model.topic] += 1
        if model is OrderConfirmed:
            await self._came(headers["ce_subject"], "confirmed")
        act = self._acts.get(model)
        done = act(model.model_validate_json(body)) if act is not None else None
        if done is not None:
            await done

    async def _placed(self, event: OrderPlaced) -> None:
        name = (event.channel, event.external_id)
        order = self._book.accept(name, event.order_id)
        self._intake.placed(name)
        # Of an order that was over before we heard of it only what was paid beforehand counts.
        said = self.payments.placed(event, order.sale.payments if order is not None else ())
        await self._pay(said)
        if order is not None:
            order.waits_for_payer = not said or any(saying.after > 0 for saying in said)
            await self._desk.reached(order, "placed")

    def _refused(self, event: OrderRefused) -> None:
        if event.refused == "order":
            self._intake.refused(event)
        else:
            self._desk.cancel_refused((event.channel, event.external_id))

    def _cancel_refused(self, event: ShipmentCancelRefused) -> None:
        order = self._book.find(event.order_id)
        if order is not None:
            self._desk.cancel_refused((order.sale.channel, order.sale.external_id))

    async def _came(self, order_id: str, moment: Any) -> None:
        order = self._book.find(order_id)
        if order is not None:
            await self._desk.reached(order, moment)

    async def _created(self, event: ShipmentCreated) -> None:
        order = self._book.find(event.order_id)
        if order is not None:
            self._time(order)
            await self._desk.reached(order, "created")

    def _time(self, order: Open) -> None:
        if not order.timed and not order.waits_for_payer:
            self._book.latencies.append(time.monotonic() - order.since)
        order.timed = True

    async def _dispatched(self, event: ShipmentDispatched) -> None:
        for saying in self._carrier.journey(event):
            self._agenda.do(self._scan(saying), after=saying.after)
        await self._came(event.order_id, "dispatched")

    async def _scan(self, saying: Saying) -> None:
        if self._dice.happens("scan road", saying.message_id, 0.5):
            await self._topics.say(saying)
        else:
            for _ in range(saying.copies):
                self._scans.add(saying)

    async def _send_scans(self, scans: Any) -> None:
        body = {"scans": [scan.event.model_dump(mode="json") for scan in scans]}
        await self._http.must_post("fulfillment", "/bulk/tracking", body)

    def _over(self, event: OrderCancelled | OrderCompleted, *, cancelled: bool) -> None:
        name = (event.channel, event.external_id)
        self._book.over(event.order_id, name, cancelled=cancelled)
        self._intake.placed(name)
        self._desk.completed(name)

    def _refunded(self, event: RefundIssued) -> None:
        if event.return_ids:
            self._book.example = self._book.example or event.order_id

    async def _pay(self, sayings: list[Saying]) -> None:
        for saying in sayings:
            if saying.after > 0:
                self._agenda.do(self._topics.say(saying), after=saying.after)
            else:
                await self._topics.say(saying)
