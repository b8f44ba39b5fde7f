"""Orders through their whole life, many at a time: what every handler hears in the course of it."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from services.fulfillment.handlers.dispatch import Dispatch, dispatch
from services.fulfillment.handlers.pack import Pack, pack
from services.fulfillment.handlers.pick import Pick, pick
from services.fulfillment.handlers.steps import Steps
from services.inventory.domain.catalogue import Place, Sku
from services.inventory.handlers.put_places import put_places
from services.inventory.handlers.put_skus import put_skus
from services.returns.domain.choose import Request, Wanted
from services.returns.domain.receive import Box, Found
from services.returns.handlers.authorize_return import AuthorizeReturn, authorize_return
from services.returns.handlers.receive_return import receive_return
from shared.contracts.carriers import ScanStatus, ShipmentTrackingSubmitted
from shared.contracts.channels import OrderCancelSubmitted, OrderLine, OrderSubmitted
from shared.contracts.envelope import Address, Contact, Event
from shared.contracts.fulfillment import ShipmentCreated, ShipmentDispatched
from shared.contracts.inventory import StockReserved
from shared.contracts.orders import (
    OrderCancelled,
    OrderPlaced,
    PaymentCaptureRequested,
    PaymentRefundRequested,
    PaymentVoidRequested,
)
from shared.contracts.payments import PaymentAuthorized, PaymentCaptured, PaymentRefunded, PaymentVoided
from shared.contracts.returns import ReturnAuthorized
from shared.contracts.warehouses import StockAdjustmentSubmitted
from shared.db.ids import new_id
from tests.component.guards.chain import Chain
from tests.harness.history import Past, Template

SKUS = tuple(f"GUARD-{number:03}" for number in range(500))


def bank(event: Event) -> Iterable[Event]:
    """The payment service: says yes to everything."""
    if isinstance(event, OrderPlaced):
        yield PaymentAuthorized(
            order_id=event.order_id, payment_id=f"pay-{event.order_id}", amount=event.total, currency="EUR"
        )
    for asked, done in (
        (PaymentCaptureRequested, PaymentCaptured), (PaymentRefundRequested, PaymentRefunded),
        (PaymentVoidRequested, PaymentVoided),
    ):  # fmt: skip
        if isinstance(event, asked):
            yield done(
                order_id=event.order_id, payment_id=event.payment_id, request_id=event.request_id,
                amount=event.amount, currency=event.currency,
            )  # fmt: skip


async def stock_up(chain: Chain, size: int) -> None:
    """A place, a catalogue, and a delivery of `size` articles."""
    place = Place("guard-place", "warehouse", "Guard", {"country": "DE", "city": "Berlin"})
    await chain.command("inventory", put_places, [[place]])
    await chain.command("inventory", put_skus, [[Sku(sku, weight_g=100) for sku in SKUS]])
    await chain.say(
        [StockAdjustmentSubmitted(adjustment_id=new_id(), sku=sku, place_id="guard-place", delta=1_000_000,
                                  reason="received")
         for sku in SKUS[:size]]
    )  # fmt: skip


def submitted(size: int) -> list[OrderSubmitted]:
    """New orders of one line, each of another SKU as far as they reach."""
    return [
        OrderSubmitted(
            channel="shop",
            external_id=new_id(),
            contact=Contact(name="Alex Muster", email=f"guard{number}@example.com", locale="en"),
            address=Address(
                name="Alex Muster", street="Main street 1", city="Berlin", postal_code="10115", country="DE"
            ),
            lines=(
                OrderLine(
                    line_id="1", sku=SKUS[number], title="A thing", quantity=1, unit_price=1990, total=1990
                ),
            ),
            shipping=490,
            total=2480,
            currency="EUR",
        )
        for number in range(size)
    ]


async def cancelled_early(chain: Chain, size: int) -> None:
    """Orders that nobody pays, cancelled by their channel."""
    chain.answer, paying = (lambda _: ()), chain.answer
    orders = submitted(size)
    await chain.say(orders)
    await chain.say([OrderCancelSubmitted(channel="shop", external_id=order.external_id) for order in orders])
    chain.answer = paying


async def cancelled_late(chain: Chain, size: int) -> None:
    """Orders that are recalled from the warehouse."""
    orders = submitted(size)
    await chain.say(orders)
    await chain.say([OrderCancelSubmitted(channel="shop", external_id=order.external_id) for order in orders])


async def created(chain: Chain, size: int) -> list[ShipmentCreated]:
    """Orders as far as the benchmark follows them: intake to recorded parcel."""
    chain.forget()
    await chain.say(submitted(size))
    return chain.all(ShipmentCreated)


async def dispatched(chain: Chain, parcels: list[ShipmentCreated]) -> list[ShipmentDispatched]:
    """Parcels out of the house."""
    ids = [parcel.shipment_id for parcel in parcels]
    await chain.command("fulfillment", pick, [Steps((Pick(parcel),)) for parcel in ids])
    await chain.command("fulfillment", pack, [Steps((Pack(parcel, 900),)) for parcel in ids])
    await chain.command("fulfillment", dispatch, [Steps((Dispatch(parcel),)) for parcel in ids])
    return [said for said in chain.all(ShipmentDispatched) if said.shipment_id in set(ids)]


async def scanned(chain: Chain, parcels: list[ShipmentDispatched], status: ScanStatus) -> None:
    """The carrier says the same of all of them."""
    await chain.say(
        [
            ShipmentTrackingSubmitted(
                scan_id=new_id(), tracking_number=parcel.tracking_number, carrier=parcel.carrier, status=status,
                occurred_at=datetime.now(UTC),
            )
            for parcel in parcels
        ]
    )  # fmt: skip


async def brought_back(chain: Chain, parcels: list[ShipmentDispatched]) -> None:
    """Customers send everything back and are paid back."""
    orders = [parcel.order_id for parcel in parcels]
    wanted = Request((Wanted("1", 1, "changed_mind"),))
    await chain.command(
        "returns", authorize_return, [AuthorizeReturn(wanted, order_id=order) for order in orders]
    )
    opened = [said for said in chain.all(ReturnAuthorized) if said.order_id in set(orders)]
    boxes = [Box(said.return_id, (Found("1", 1, "new", "restock"),), "guard-place") for said in opened]
    await chain.command("returns", receive_return, boxes)


async def everything(chain: Chain, size: int) -> None:
    """All that happens to orders, so many at a time: every handler is called."""
    await stock_up(chain, size)
    await cancelled_early(chain, size)
    await cancelled_late(chain, size)
    parcels = await dispatched(chain, await created(chain, size))
    assert len(parcels) == size
    await scanned(chain, parcels, "delivered")
    await brought_back(chain, parcels)
    parcels = await dispatched(chain, await created(chain, size))
    await scanned(chain, parcels, "returned_to_sender")
    parcels = await dispatched(chain, await created(chain, size))
    await scanned(chain, parcels, "lost")


async def past(chain: Chain) -> Past:
    """Three orders until they are over: delivered, sent back, cancelled. What a history is made from."""
    began, before = datetime.now(UTC), await chain.remembered()
    parcels = await dispatched(chain, await created(chain, 2))
    await scanned(chain, parcels, "delivered")
    await brought_back(chain, parcels[1:])
    await cancelled_late(chain, 1)
    (back,), (cancelled,) = chain.all(ReturnAuthorized), chain.all(OrderCancelled)
    ids = [(parcel.order_id, parcel.shipment_id) for parcel in parcels]
    templates = (Template(*ids[0]), Template(*ids[1], back.return_id), Template(cancelled.order_id))
    after = await chain.remembered()
    messages = {name: round((after[name] - before[name]) / len(templates)) for name in after}
    return Past(templates, messages, began)


async def waiting(chain: Chain, messages: Mapping[str, int]) -> Past:
    """Three orders whose stock is held and that nobody paid. What open orders are made from."""
    began = datetime.now(UTC)
    chain.answer, paying = (lambda _: ()), chain.answer
    chain.forget()
    await chain.say(submitted(3))
    chain.answer = paying
    return Past([Template(event.order_id) for event in chain.all(StockReserved)], messages, began, "open")
