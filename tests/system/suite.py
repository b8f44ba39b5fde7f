"""The whole suite as a test sees it: five processes, played by hand, with a bank that answers by itself."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from deploy.demo.datasets.model import Dice, Habits, How, Payment
from deploy.demo.invariants import Paid, Submitted, check
from deploy.demo.mailbox import Kept, Mailbox
from deploy.demo.players import Saying
from deploy.demo.players.payments import PaymentService
from deploy.demo.quiet import Quiet
from deploy.demo.services import Answer, Http
from deploy.demo.topics import Topics
from deploy.local.services import Services
from deploy.local.settings import SERVICES
from shared.contracts.carriers import ScanStatus, ShipmentTrackingSubmitted
from shared.contracts.channels import OrderSubmitted
from shared.contracts.envelope import Event
from shared.contracts.fulfillment import ShipmentCreated, ShipmentDispatched
from shared.contracts.orders import (
    OrderPlaced,
    PaymentRequest,
)
from shared.contracts.registry import MODELS, OWNERS
from shared.db.ids import new_id
from tests.harness.otlp import Sink
from tests.harness.service import PATIENCE, until

E = TypeVar("E", bound=Event)

HEARD = [model for model in MODELS.values() if OWNERS[model.topic] in SERVICES]

NORTH, SOUTH = "north", "south"
PLACES = {
    NORTH: {"city": "Hamburg", "country": "DE", "latitude": 53.55, "longitude": 9.99},
    SOUTH: {"city": "München", "country": "DE", "latitude": 48.14, "longitude": 11.58},
}
NEAR_NORTH = {"name": "A. Customer", "city": "Bremen", "country": "DE", "latitude": 53.08, "longitude": 8.80}
NOBODY_ERRS = Habits(
    cancels=0, returns=0, duplicates=0, conflicts=0, declines=0, gives_up=0, never_pays=0, capture_fails=0,
    refund_fails=0, short_picks=0, counts=0, troubles=0, lost=0, sent_back=0, repeated_scans=0, late_scans=0,
)  # fmt: skip


@dataclass
class Heard:
    """A message of the suite with the headers it came with."""

    event: Event
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Spoken:
    """A message that we said to the suite."""

    topic: str
    key: str
    body: bytes
    headers: Mapping[str, str]

    def concerns(self, order: "Placed") -> bool:
        """Whether it is about this order, by whichever name."""
        numbers = {parcel.tracking_number for parcel in order.said(ShipmentDispatched)}
        return self.key in {order.order_id, f"shop:{order.body['external_id']}", *numbers}


class Voice(Topics):
    """Other systems, whose words are remembered."""

    spoken: list[Spoken]

    async def say_headers(self, topic: str, key: str, body: bytes, headers: Mapping[str, str]) -> None:
        self.spoken.append(Spoken(topic, key, body, headers))
        await super().say_headers(topic, key, body, headers)


@dataclass
class Suite:
    """Five running services and everybody around them."""

    http: Http
    quiet: Quiet
    databases: Mapping[str, str]
    mailbox: Mailbox
    sink: Sink
    topics: Voice = field(init=False)
    bank: PaymentService = field(default_factory=lambda: PaymentService(Dice(0), NOBODY_ERRS))
    heard: list[Heard] = field(default_factory=list)
    accepted: dict[tuple[str, str], str] = field(default_factory=dict)
    silent_for: set[str] = field(default_factory=set)
    """Orders whose payment requests the bank does not answer by itself."""
    patience: float = PATIENCE
    """Seconds that a state may take."""

    @property
    def spoken(self) -> list[Spoken]:
        """What was said to the suite by topic, in order."""
        return list(self.topics.spoken)

    async def hear(self, model: type[Event], body: bytes, headers: Mapping[str, str]) -> None:
        """Remember, and let the bank answer."""
        event = model.model_validate_json(body)
        self.heard.append(Heard(event, headers))
        if isinstance(event, PaymentRequest) and event.order_id not in self.silent_for:
            await self.answer(event)

    async def answer(self, request: PaymentRequest) -> None:
        """The bank does what it is asked."""
        for answer in self.bank.answer(request):
            await self.topics.say(answer)

    async def article(self, **units: int) -> str:
        """A new SKU with so many units at each place (`north=5`)."""
        sku = f"sku-{new_id()}"
        await self.http.must_post("inventory", "/bulk/skus", {"rows": [{"sku": sku, "weight_g": 250}]})
        rows = [
            {
                "adjustment_id": f"{place[0]}{sku}",
                "sku": sku,
                "place_id": place,
                "delta": count,
                "reason": "received",
            }
            for place, count in units.items()
        ]
        if rows:
            answer = await self.http.must_post("inventory", "/bulk/adjustments", {"rows": rows})
            assert answer["refused"] == 0, answer
        return sku

    def body(self, *lines: tuple[str, int, int], shipping: int = 490, **more: Any) -> dict[str, Any]:
        """An order of (sku, quantity, unit price) for a customer near the north place, under a new name."""
        rows = [
            {"line_id": str(number), "sku": sku, "quantity": n, "unit_price": price, "total": n * price}
            for number, (sku, n, price) in enumerate(lines, 1)
        ]
        external_id = more.pop("external_id", f"T-{new_id()}")
        return {
            "channel": "shop",
            "external_id": external_id,
            "contact": {"name": "A. Customer", "email": f"{external_id.lower()}@example.com", "locale": "en"},
            "address": NEAR_NORTH,
            "lines": rows,
            "shipping": shipping,
            "total": sum(n * price for _, n, price in lines) + shipping,
            "currency": "EUR",
            **more,
        }

    async def order(
        self, *lines: tuple[str, int, int], pays: How | None = "authorize", **more: Any
    ) -> "Placed":
        """Order over HTTP and, unless `pays` is None, pay in this way as soon as the order is placed."""
        return await self.place(self.body(*lines, **more), pays=pays)

    async def place(
        self, body: Mapping[str, Any], *, pays: How | None = "authorize", by_topic: bool = False
    ) -> "Placed":
        """Submit an order and wait until it is placed."""
        name = (body["channel"], body["external_id"])
        if by_topic:
            await self.topics.say_json(OrderSubmitted, ":".join(name), body, f"submit/{':'.join(name)}")
        else:
            await self.http.must_post("orders", "/orders", body)
        placed = await self.expect(OrderPlaced, lambda event: (event.channel, event.external_id) == name)
        self.accepted[name] = placed.order_id
        order = Placed(self, placed.order_id, body)
        if pays is not None:
            await order.pay(body["total"], pays)
        return order

    def said(self, model: type[E], where: Callable[[E], bool] = lambda _: True) -> list[E]:
        """What was heard so far, each message once."""
        seen: set[str] = set()
        found = []
        for heard in self.heard:
            if isinstance(heard.event, model) and where(heard.event) and heard.headers["ce_id"] not in seen:
                seen.add(heard.headers["ce_id"])
                found.append(heard.event)
        return found

    async def expect(self, model: type[E], where: Callable[[E], bool] = lambda _: True) -> E:
        """Wait for a message."""
        await until(lambda: self.said(model, where), f"{model.topic} is said", self.patience)
        return self.said(model, where)[0]

    async def settled(self) -> None:
        """Wait until nothing moves in any service and everything that was said was heard here."""

        async def quiet() -> bool:
            return not (
                self.topics.unsent or await self.topics.unheard() or await self.quiet.noises(aggregates=False)
            )

        await until(quiet, "the suite comes to rest", self.patience)
        await until(quiet, "the suite stays at rest", self.patience)

    async def proves_true(self) -> None:
        """Everything comes to rest, and every invariant holds."""
        await self.settled()
        mails = self.mailbox.distinct()
        verdicts = await asyncio.to_thread(check, self.databases, self.submitted(mails))
        broken = {name: verdict.detail for name, verdict in verdicts.items() if not verdict.ok}
        assert not broken, broken

    def submitted(self, mails: int | None = None) -> Submitted:
        """What the invariants are told."""
        books = {
            name: Paid(
                account.order_id, account.authorized, account.captured, account.refunded, account.voided
            )
            for name, account in self.bank.accounts.items()
        }
        return Submitted(
            accepted=dict(self.accepted),
            payments=books,
            objections=self.bank.objections,
            message_ids=mails,
        )

    def mails_to(self, order: "Placed") -> list[Kept]:
        """The mails the customer of an order got, in their order."""
        address = order.body["contact"]["email"]
        return [mail for mail in self.mailbox.messages() if mail.recipient == address]


@dataclass
class Placed:
    """One order under test."""

    suite: Suite
    order_id: str
    body: Mapping[str, Any]
    payments: int = 0

    async def pay(self, amount: int, how: How = "authorize") -> str:
        """A payer pays; returns the payment id."""
        self.payments += 1
        payment = Payment(f"pay{self.payments}-{self.order_id}", "card", amount, how)
        placed = next(event for event in self.suite.said(OrderPlaced) if event.order_id == self.order_id)
        for saying in self.suite.bank.placed(placed, (payment,)):
            await self.suite.topics.say(saying)
        return payment.payment_id

    async def expect(self, model: type[E], where: Callable[[E], bool] = lambda _: True) -> E:
        """Wait for a message about this order."""
        return await self.suite.expect(model, lambda event: self._mine(event) and where(event))

    def said(self, model: type[E]) -> list[E]:
        """What was heard about this order so far."""
        return self.suite.said(model, self._mine)

    def _mine(self, event: Event) -> bool:
        return getattr(event, "order_id", None) == self.order_id

    async def parcels(self, count: int = 1) -> list[ShipmentCreated]:
        """Its parcels by place, once there are so many."""
        enough = lambda: len(self.said(ShipmentCreated)) >= count  # noqa: E731
        await until(enough, f"{count} parcels are created", self.suite.patience)
        return sorted(self.said(ShipmentCreated), key=lambda parcel: parcel.place_id)

    async def look(self) -> dict[str, Any]:
        """The order as people see it."""
        answer = await self.suite.http.get("orders", f"/orders/{self.order_id}")
        assert answer.ok, answer
        body: dict[str, Any] = answer.body
        return body

    async def state(self, expected: str) -> dict[str, Any]:
        """Wait for the order to be in a state; returns it."""

        async def there() -> dict[str, Any] | None:
            seen = await self.look()
            return seen if seen["state"] == expected else None

        found: dict[str, Any] = await until(there, f"order {self.order_id} is {expected}")
        return found

    async def cancel(self, reason: str = "changed mind") -> Answer:
        """Ask for the whole order to be cancelled."""
        return await self.suite.http.post("orders", f"/orders/{self.order_id}/cancel", {"reason": reason})

    async def pick(self, parcel: ShipmentCreated, found: Mapping[str, int] | None = None) -> None:
        """The picker found everything, or so many units per line."""
        body = (
            {} if found is None else {"lines": [{"line_id": line, "picked": n} for line, n in found.items()]}
        )
        await self.suite.http.must_post("fulfillment", f"/shipments/{parcel.shipment_id}/pick", body)

    async def ship(self, parcel: ShipmentCreated) -> ShipmentDispatched:
        """Pick, pack and hand a parcel to the carrier."""
        for step in ("pick", "pack", "dispatch"):
            await self.suite.http.must_post("fulfillment", f"/shipments/{parcel.shipment_id}/{step}", {})
        return await self.expect(ShipmentDispatched, lambda event: event.shipment_id == parcel.shipment_id)

    async def scan(self, parcel: ShipmentDispatched, status: ScanStatus, *, copies: int = 1) -> None:
        """The carrier scans it."""
        event = ShipmentTrackingSubmitted(
            scan_id=f"{status}-{parcel.tracking_number}", tracking_number=parcel.tracking_number,
            carrier=parcel.carrier, status=status, occurred_at=parcel.dispatched_at,
        )  # fmt: skip
        await self.suite.topics.say(Saying(event, event.scan_id, copies=copies))

    async def deliver(self, *parcels: ShipmentCreated) -> None:
        """Ship parcels and see them arrive."""
        for parcel in parcels:
            await self.scan(await self.ship(parcel), "delivered")


@dataclass(frozen=True)
class Processes:
    """What runs outside the test process, and what it talks to inside."""

    services: Services
    databases: dict[str, str]
    prefix: str
    mailbox: Mailbox
    sink: Sink


def surroundings(mailbox: Mailbox, sink: Sink) -> dict[str, str]:
    """Settings in which the suite under test differs from production: short deadlines, everything traced."""
    return {
        "OMS_ORDERS_PAYMENT_SECONDS": "8",
        "OMS_ORDERS_DEADLINE_POLL_SECONDS": "0.2",
        "OMS_ORDERS_PROGRESS_SECONDS": "0.2",
        "OMS_NOTIFICATIONS_SMTP_PORT": str(mailbox.port),
        "OMS_NOTIFICATIONS_SMTP_PER_SECOND": "0",
        "OMS_OTLP_ENDPOINT": sink.endpoint,
        "OMS_TRACE_RATIO": "1",
    }


@asynccontextmanager
async def playing(
    urls: Mapping[str, str],
    databases: Mapping[str, str],
    kafka: str,
    prefix: str,
    mailbox: Mailbox,
    sink: Sink,
) -> AsyncIterator[Suite]:
    """Everybody around running services: two places known, every message heard from the beginning."""
    async with Quiet(databases, kafka, prefix) as quiet, Http(urls) as http:
        running = Suite(http, quiet, databases, mailbox, sink)
        running.topics = Voice(kafka, prefix, HEARD, running.hear)
        running.topics.spoken = []
        await running.topics.start()
        listening = asyncio.create_task(running.topics.listen())
        rows = [{"place_id": place, "address": address} for place, address in PLACES.items()]
        await http.must_post("inventory", "/bulk/places", {"rows": rows})
        yield running
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await running.topics.stop()
