"""The systems and people around the suite. Each listens to topics and has things to do, in any order, perhaps twice."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from random import Random
from typing import Any

from deploy.demo.players import Saying
from deploy.demo.players.customers import Customers as Buyers
from deploy.demo.players.payments import PaymentService as Bank
from deploy.demo.players.warehouse import Warehouse as Hands
from services.fulfillment.domain.shipment import End
from services.fulfillment.handlers.book import Book, book
from services.fulfillment.handlers.dispatch import Dispatch, dispatch
from services.fulfillment.handlers.pack import Pack, pack
from services.fulfillment.handlers.pick import Pick, pick
from services.fulfillment.handlers.record_tracking import RecordTracking, record_tracking
from services.fulfillment.handlers.report_end import ReportEnd, report_end
from services.fulfillment.handlers.resolve import Resolve, resolve
from services.fulfillment.handlers.steps import Steps
from services.inventory.domain.adjustment import Adjustment
from services.inventory.handlers.adjust_stock import adjust_stock
from services.notifications.domain.mail import Accepted, Answer, Deferred, Refused, Unsent
from services.notifications.handlers.claim_deliveries import Claimed, claim_deliveries
from services.notifications.handlers.settle_deliveries import Attempt, settle_deliveries
from services.orders.handlers.ask_capture_again import AskCaptureAgain, ask_capture_again
from services.orders.handlers.cancel_order import CancelOrder, cancel_order
from services.orders.handlers.hold_order import HoldOrder, ReleaseOrder, hold_order, release_order
from services.orders.handlers.place_order import place_order
from services.orders.handlers.record_payment import RecordPayment, record_payment
from services.orders.handlers.refund_by_hand import RefundByHand, refund_by_hand
from services.orders.handlers.resolve_attention import ResolveAttention, resolve_attention
from services.returns.domain.choose import Request as ReturnRequest
from services.returns.domain.choose import Wanted
from services.returns.domain.receive import Box, Found
from services.returns.handlers.authorize_return import AuthorizeReturn, authorize_return
from services.returns.handlers.receive_return import receive_return
from services.returns.handlers.reject_return import RejectReturn, reject_return
from shared.contracts.carriers import ScanStatus, ShipmentTrackingSubmitted
from shared.contracts.channels import OrderCancelSubmitted
from shared.contracts.envelope import Event
from shared.contracts.fulfillment import (
    ShipmentCancelled,
    ShipmentCreated,
    ShipmentDelivered,
    ShipmentDispatched,
)
from shared.contracts.orders import (
    OrderConfirmed,
    OrderPlaced,
    PaymentCaptureRequested,
    PaymentRefundRequested,
    PaymentRequest,
    PaymentVoidRequested,
)
from shared.contracts.returns import ReturnAuthorized
from shared.contracts.warehouses import StockAdjustmentSubmitted
from shared.messaging.message import Done, Outcome
from shared.messaging.message import Refused as NotDone
from tests.simulation.chance import EAGER, QuickDice
from tests.simulation.plans import Catalogue, OrderPlan, conflicting
from tests.simulation.world import Request, World

Deed = Callable[[Random], None]


class Other:
    """Somebody outside. `deeds` is what there is to do; `act` does one of them."""

    topics: Sequence[type[Event]] = ()

    def __init__(self, world: World) -> None:
        self.world = world
        self.deeds: list[Deed] = []

    def hear(self, event: Event, chance: Random) -> None:
        """A message came, perhaps not for the first time."""

    def act(self, chance: Random) -> None:
        """Do one of the things there are to do, whichever."""
        self.deeds.pop(chance.randrange(len(self.deeds)))(chance)

    def say(self, event: Event, source: str, name: str, chance: Random) -> None:
        """Send a message; a sender that is not sure sends it again, later."""
        self.world.say(event, source, name)
        if self.world.trouble and chance.random() < 0.1:
            self.deeds.append(lambda _: self.world.say(event, source, name))

    def ask(self, request: Request, chance: Random) -> None:
        """Send a request; a client that is not sure sends it again, later."""
        self.world.ask(request)
        if self.world.trouble and chance.random() < 0.1:
            self.deeds.append(lambda _: self.world.ask(request))


class Channel(Other):
    """Sends orders, sometimes twice or under a name that is taken, and takes them back at any moment."""

    topics = (OrderPlaced, OrderConfirmed)

    def __init__(self, world: World, plans: Sequence[OrderPlan]) -> None:
        super().__init__(world)
        self.accepted: dict[tuple[str, str], str | None] = {}
        self.ids: dict[tuple[str, str], str] = {}
        self._plans = plans
        for plan in plans:
            self._intend(plan)

    def _intend(self, plan: OrderPlan) -> None:
        self.deeds += [lambda chance: self._submit(plan, chance)] * plan.copies
        if plan.conflicting:
            other = conflicting(plan.order)
            self.deeds.append(lambda chance: self.say(other, "/shop", f"{other.external_id}/other", chance))
        if not plan.faulty:
            self.accepted[plan.name] = None
        if plan.cancels == "topic":
            self.deeds.append(lambda chance: self._cancel_by_topic(plan, chance))

    def _submit(self, plan: OrderPlan, chance: Random) -> None:
        if plan.by_topic:
            self.say(plan.order, "/shop", f"{plan.order.external_id}/{chance.getrandbits(1)}", chance)
            return

        def placed(outcome: Outcome) -> None:
            if isinstance(outcome, Done):
                self._learn(plan.name, outcome.body["order_id"])

        key = plan.order.external_id if chance.random() < 0.5 else None
        self.ask(Request("orders", place_order, plan.order, key, "shop", placed), chance)

    def _cancel_by_topic(self, plan: OrderPlan, chance: Random) -> None:
        channel, external_id = plan.name
        wish = OrderCancelSubmitted(channel=channel, external_id=external_id, reason="changed mind")
        self.say(wish, "/shop", f"{external_id}/cancel", chance)

    def hear(self, event: Event, chance: Random) -> None:
        """Our order's id is known now, or it goes ahead."""
        assert isinstance(event, OrderPlaced | OrderConfirmed)
        name = (event.channel, event.external_id)
        self._learn(name, event.order_id)
        if isinstance(event, OrderConfirmed) and self._plan(name).cancels == "late":
            self._cancel(event.order_id)

    def _learn(self, name: tuple[str, str], order_id: str) -> None:
        known = self.accepted.get(name)
        if known not in (None, order_id):
            self.world.errors.append(f"order {name} was answered as {known} and as {order_id}")
        if known is not None:
            return
        self.accepted[name] = self.ids[name] = order_id
        plan = self._plan(name)
        if plan.cancels == "http":
            self._cancel(order_id)
        if plan.holds:
            hold = HoldOrder(order_id, "look at it", "h")
            release = ReleaseOrder(order_id, "looked", "h")
            self.deeds.append(
                lambda chance: self.ask(Request("orders", hold_order, hold, None, "desk"), chance)
            )
            self.deeds.append(
                lambda chance: self.ask(Request("orders", release_order, release, None, "desk"), chance)
            )

    def _plan(self, name: tuple[str, str]) -> OrderPlan:
        return next(plan for plan in self._plans if plan.name == name)

    def _cancel(self, order_id: str) -> None:
        request = Request("orders", cancel_order, CancelOrder(order_id, "changed mind"), None, "customer")
        self.deeds.append(lambda chance: self.ask(request, chance))


class PaymentService(Other):
    """The demo's payment service; what it says is said at any time, in any order."""

    topics = (OrderPlaced, PaymentCaptureRequested, PaymentRefundRequested, PaymentVoidRequested)

    def __init__(self, world: World, plans: Sequence[OrderPlan], dice: QuickDice) -> None:
        super().__init__(world)
        self.bank = Bank(dice, EAGER)
        self._payments = {plan.name: plan.payments for plan in plans}

    def hear(self, event: Event, chance: Random) -> None:
        """An order to be paid, or a request. The same request gets the same answer, perhaps in a new message."""
        if isinstance(event, OrderPlaced):
            sayings = self.bank.placed(event, self._payments.get((event.channel, event.external_id), ()))
        else:
            assert isinstance(event, PaymentRequest)
            sayings = self.bank.answer(event)
        self.deeds += [self._saying(saying) for saying in sayings]

    def _saying(self, saying: Saying) -> Deed:
        def tell(chance: Random) -> None:
            again = f"/{chance.getrandbits(8)}" if chance.random() < 0.1 else ""
            self.say(saying.event, "/payments", saying.message_id + again, chance)

        return tell


class Warehouse(Other):
    """Picks, packs and dispatches, finds too little, counts shelves, and takes goods back."""

    topics = (ShipmentCreated, ShipmentCancelled, ReturnAuthorized)

    def __init__(self, world: World, catalogue: Catalogue, dice: QuickDice, carrier: "Carrier") -> None:
        super().__init__(world)
        self._hands = Hands(dice, EAGER)
        self._carrier = carrier
        self._catalogue = catalogue
        self._known: set[str] = set()

    def hear(self, event: Event, chance: Random) -> None:
        """Work came, perhaps known already."""
        match event:
            case ShipmentCreated() if event.shipment_id not in self._known:
                self._known.add(event.shipment_id)
                self.deeds.append(lambda chance: self._pick(event, chance))
            case ShipmentCancelled():
                for adjustment in self._hands.recount(event):
                    if adjustment.adjustment_id not in self._known:
                        self._known.add(adjustment.adjustment_id)
                        self.deeds.append(lambda chance, one=adjustment: self._adjust(one, chance))
            case ReturnAuthorized() if event.return_id not in self._known:
                self._known.add(event.return_id)
                if chance.random() < 0.9:  # Else nothing ever comes, and the return expires.
                    self.deeds.append(lambda chance: self._receive(event, chance))

    def _pick(self, parcel: ShipmentCreated, chance: Random) -> None:
        found = self._hands.pick(parcel.shipment_id, parcel.lines)
        asked = Pick(parcel.shipment_id, found if chance.random() < 0.7 else None)
        counted = self._hands.count(parcel.shipment_id, parcel.place_id, parcel.lines)
        if counted is not None:
            self.deeds.append(lambda chance: self._adjust(counted, chance))
        self._step(pick, asked, lambda _: self._then(self._pack, parcel), chance)

    def _pack(self, parcel: ShipmentCreated, chance: Random) -> None:
        self._step(pack, Pack(parcel.shipment_id), lambda _: self._then(self._book, parcel), chance)

    def _book(self, parcel: ShipmentCreated, chance: Random) -> None:
        def booked(done: Done) -> None:
            self._carrier.announced(done.body["tracking_number"], parcel.shipment_id, chance)
            self._then(self._dispatch, parcel)

        if chance.random() < 0.5:
            self._step(book, Book(parcel.shipment_id), booked, chance)
        else:
            self._dispatch(parcel, chance)

    def _dispatch(self, parcel: ShipmentCreated, chance: Random) -> None:
        self._step(dispatch, Dispatch(parcel.shipment_id), lambda _: None, chance)

    def _then(self, next_step: Callable[[ShipmentCreated, Random], None], parcel: ShipmentCreated) -> None:
        self.deeds.append(lambda chance: next_step(parcel, chance))

    def _step(self, handler: Any, row: Any, then: Callable[[Done], None], chance: Random) -> None:
        went_on = False

        def answered(outcome: Outcome) -> None:
            nonlocal went_on
            if isinstance(outcome, Done) and outcome.body["state"] != "cancelled" and not went_on:
                went_on = True
                then(outcome)

        self.ask(Request("fulfillment", handler, Steps((row,)), None, "hands", answered), chance)

    def adjust_anything(self, chance: Random) -> None:
        """Somebody counts, finds, breaks or sets something aside."""
        sku = chance.choice(self._catalogue.skus).sku
        place = chance.choice(self._catalogue.places).place_id
        counter = chance.choice(("on_hand", "on_hand", "unavailable"))
        adjustment = StockAdjustmentSubmitted(
            adjustment_id=f"a{chance.getrandbits(30)}",
            sku=sku,
            place_id=place,
            counter=counter,
            delta=chance.choice((-2, -1, 1, 2)),
            reason="correction",
        )
        self._adjust(adjustment, chance)

    def _adjust(self, adjustment: StockAdjustmentSubmitted, chance: Random) -> None:
        if chance.random() < 0.7:
            self.say(adjustment, "/wms", adjustment.adjustment_id, chance)
            return
        a = adjustment
        same = Adjustment(a.adjustment_id, a.sku, a.place_id, a.counter, a.delta, a.reason)
        self.ask(Request("inventory", adjust_stock, same, None, "hands"), chance)

    def _receive(self, authorized: ReturnAuthorized, chance: Random) -> None:
        received = self._hands.receive(authorized.return_id, authorized.units)
        if received is None:
            rejected = RejectReturn(authorized.return_id, "not ours")
            self.ask(Request("returns", reject_return, rejected, None, "desk"), chance)
            return
        found = [
            Found(
                unit.line_id,
                unit.quantity if chance.random() < 0.8 else chance.randint(1, unit.quantity),
                unit.condition,
                unit.disposition,
                unit.shipment_id if chance.random() < 0.5 else None,
            )
            for unit in received.units
        ]
        place = chance.choice(self._catalogue.places).place_id
        box = Box(authorized.return_id, tuple(found), place)

        def answered(outcome: Outcome) -> None:
            if outcome.status == 409 and isinstance(outcome, NotDone) and "Retry-After" in outcome.headers:
                self.deeds.append(lambda chance: self.ask(request, chance))

        request = Request("returns", receive_return, box, None, "desk", answered)
        self.ask(request, chance)


class Carrier(Other):
    """Scans parcels, tells scans late, twice and out of order, and contradicts itself."""

    topics = (ShipmentDispatched,)

    def __init__(self, world: World, dice: QuickDice) -> None:
        super().__init__(world)
        self._dice = dice
        self._known: set[str] = set()

    def announced(self, tracking_number: str, shipment_id: str, chance: Random) -> None:
        """A parcel was booked: its first scans may come before anybody said that it left."""
        if chance.random() < 0.3:
            self._journey(tracking_number, shipment_id)

    def hear(self, event: Event, chance: Random) -> None:
        """A parcel is ours."""
        assert isinstance(event, ShipmentDispatched)
        self._journey(event.tracking_number, event.shipment_id)

    def _journey(self, tracking_number: str, shipment_id: str) -> None:
        if tracking_number in self._known:
            return
        self._known.add(tracking_number)
        for position, status in enumerate(self._statuses(shipment_id)):
            at = self.world.now + timedelta(minutes=position + 1)
            scan = ShipmentTrackingSubmitted(
                scan_id=f"{tracking_number}-{position}",
                tracking_number=tracking_number,
                carrier="local",
                status=status,
                occurred_at=at,
            )
            self.deeds.append(lambda chance, scan=scan: self._tell(scan, chance))

    def _statuses(self, shipment_id: str) -> list[ScanStatus]:
        roll = self._dice.roll("fate", shipment_id)
        scans: list[ScanStatus] = ["in_transit"] if self._dice.happens("moves", shipment_id, 0.5) else []
        if self._dice.happens("trouble", shipment_id, EAGER.troubles):
            scans.append("delivery_failed" if roll < 0.5 else "damaged")
        ends: tuple[ScanStatus, ...] = ("lost", "returned_to_sender", "delivered")
        limits = (EAGER.lost, EAGER.lost + EAGER.sent_back, 1.0)
        scans.append(next(end for end, limit in zip(ends, limits, strict=True) if roll < limit))
        if self._dice.happens("second end", shipment_id, 0.1):
            scans.append("lost" if scans[-1] == "delivered" else "delivered")
        return scans

    def _tell(self, scan: ShipmentTrackingSubmitted, chance: Random) -> None:
        if chance.random() < 0.6:
            self.say(scan, "/carrier", scan.scan_id, chance)
        else:
            tracking = RecordTracking((scan,))
            self.ask(Request("fulfillment", record_tracking, tracking, None, "driver"), chance)


class Customers(Other):
    """Send back what was delivered: some of it, in parts, and once more than there is."""

    topics = (ShipmentDelivered,)

    def __init__(self, world: World, dice: QuickDice) -> None:
        super().__init__(world)
        self._buyers = Buyers(dice, EAGER)
        self._known: set[str] = set()

    def hear(self, event: Event, chance: Random) -> None:
        """A parcel arrived."""
        assert isinstance(event, ShipmentDelivered)
        if event.shipment_id in self._known:
            return
        self._known.add(event.shipment_id)
        for back in self._buyers.sends_back(event.shipment_id, event.lines):
            parcel = event.shipment_id if chance.random() < 0.5 else None
            wanted = (Wanted(back.line_id, back.quantity, back.reason, parcel),)
            for part in range(chance.choice((1, 1, 2))):
                reference = f"{event.shipment_id}/{back.line_id}/{part}"
                asked = AuthorizeReturn(ReturnRequest(wanted, reference), event.order_id)
                self.deeds.append(lambda chance, asked=asked: self._return(asked, chance))

    def _return(self, asked: AuthorizeReturn, chance: Random) -> None:
        def answered(outcome: Outcome) -> None:
            if isinstance(outcome, NotDone) and "Retry-After" in outcome.headers:
                self.deeds.append(lambda chance: self._return(asked, chance))

        key = asked.request.reference if chance.random() < 0.5 else None
        self.ask(Request("returns", authorize_return, asked, key, "customer", answered), chance)


class MailServer(Other):
    """Takes mails, refuses some, and dies between taking one and hearing that it did."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.taken: dict[str, str] = {}
        """Message-ID -> the delivery it was sent for."""
        self.doubled: list[str] = []

    def send(self, chance: Random) -> None:
        """One batch: claim, send, settle, as the job does; the process may die in between."""
        claimed = self.world.job("notifications", _claim) or []
        if claimed and (chance.random() < 0.9 or not self.world.trouble):
            # Else the process died, and the claims run out.
            self.deeds.append(lambda chance: self._settle(claimed, chance))

    def _settle(self, claimed: list[Claimed], chance: Random) -> None:
        attempts = [self._attempt(one, chance) for one in claimed]

        async def settle(host: Any) -> None:
            async with host.transaction() as tx:
                await settle_deliveries(attempts, tx)

        self.world.job("notifications", settle)

    def _attempt(self, claimed: Claimed, chance: Random) -> Attempt:
        delivery = claimed.delivery
        roll = chance.random() if self.world.trouble else 1.0
        answer: Answer = Accepted()
        if roll < 0.05:
            answer = Refused("nobody there", "550")
        elif roll < 0.15:
            answer = Deferred("later")
        elif roll < 0.2:
            answer = Unsent("away")
        if isinstance(answer, Accepted) or (isinstance(answer, Deferred) and roll < 0.1):
            name = delivery.message_id("localhost")
            if self.taken.setdefault(name, delivery.delivery_id) != delivery.delivery_id:
                self.doubled.append(name)
        return Attempt(delivery.delivery_id, delivery.sending, delivery.attempts, answer)


async def _claim(host: Any) -> list[Claimed]:
    async with host.transaction() as tx:
        return await claim_deliveries(tx)


class Desk(Other):
    """People who look at what needs a person, and press a button, sometimes the wrong one."""

    def __init__(
        self, world: World, orders: Callable[[], list[str]], parcels: Callable[[], list[str]]
    ) -> None:
        super().__init__(world)
        self._orders = orders
        self._parcels = parcels

    def press(self, chance: Random) -> None:
        """Something about an order, or now and then about a parcel."""
        orders, parcels = self._orders(), self._parcels()
        if parcels and chance.random() < 0.2:
            self._press_for_parcel(chance.choice(parcels), chance)
        elif orders:
            self._press_for_order(chance.choice(orders), chance)

    def _press_for_order(self, order_id: str, chance: Random) -> None:
        handler, value = chance.choice(
            (
                (ask_capture_again, AskCaptureAgain(order_id, "again")),
                (ask_capture_again, AskCaptureAgain(order_id, "again")),
                (refund_by_hand, RefundByHand(order_id, "again")),
                (refund_by_hand, RefundByHand(order_id, "sorry", chance.choice((1, 300)), None, "g")),
                (resolve_attention, ResolveAttention(order_id, "looked", chance.randint(1, 4))),
                (
                    record_payment,
                    RecordPayment(order_id, "paid here", chance.choice((1, 300)), "cash", "cash"),
                ),
                (release_order, ReleaseOrder(order_id, "looked")),
                (cancel_order, CancelOrder(order_id, "desk")),
            )
        )
        self.ask(Request("orders", handler, value, None, "desk"), chance)

    def _press_for_parcel(self, shipment_id: str, chance: Random) -> None:
        handler, row = chance.choice(
            (
                (report_end, ReportEnd(shipment_id, End.LOST, None, "nobody has it")),
                (report_end, ReportEnd(shipment_id, End.RETURNED_TO_SENDER, None, "it is here")),
                (resolve, Resolve(shipment_id, "looked")),
            )
        )
        self.ask(Request("fulfillment", handler, Steps((row,)), None, "desk"), chance)
