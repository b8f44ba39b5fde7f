"""Baseline orders: captures an order, waits for stock and money, confirms it, records its shipment."""

from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column, relationship

from shared.contracts.channels import OrderSubmitted
from shared.contracts.fulfillment import ShipmentCreated
from shared.contracts.inventory import StockReserved
from shared.contracts.orders import ConfirmedAllocation, ConfirmedPlace, OrderConfirmed, OrderPlaced
from shared.contracts.payments import PaymentAuthorized
from shared.db.ids import new_id, shipment_id
from tests.bench.baseline.app import Base, Session, broker, publish, run, topic


class Order(Base):
    """An order with its state."""

    __tablename__ = "orders"
    __table_args__ = (UniqueConstraint("channel", "external_id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str]
    external_id: Mapped[str]
    contact: Mapped[dict[str, Any]] = mapped_column(JSONB)
    address: Mapped[dict[str, Any]] = mapped_column(JSONB)
    shipping: Mapped[int]
    total: Mapped[int]
    currency: Mapped[str]
    paid: Mapped[bool] = mapped_column(default=False)
    reservation: Mapped[dict[str, Any] | None] = mapped_column(JSONB, default=None)
    confirmed: Mapped[bool] = mapped_column(default=False)
    shipment_id: Mapped[str | None] = mapped_column(default=None)
    lines: Mapped[list["OrderLine"]] = relationship(lazy="selectin", order_by="OrderLine.line_id")


class OrderLine(Base):
    """One line of an order."""

    __tablename__ = "order_lines"

    order_id: Mapped[str] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    line_id: Mapped[str] = mapped_column(primary_key=True)
    sku: Mapped[str]
    title: Mapped[str | None]
    quantity: Mapped[int]
    unit_price: Mapped[int]
    discount: Mapped[int]
    tax: Mapped[int]
    total: Mapped[int]


@broker.subscriber(topic(OrderSubmitted), group_id=topic(OrderSubmitted), auto_offset_reset="earliest")
async def order_submitted(submitted: OrderSubmitted) -> None:
    """Capture an order once."""
    order = Order(
        id=new_id(),
        channel=submitted.channel,
        external_id=submitted.external_id,
        contact=submitted.contact.model_dump(mode="json"),
        address=submitted.address.model_dump(mode="json"),
        shipping=submitted.shipping,
        total=submitted.total,
        currency=submitted.currency,
        lines=[OrderLine(**line.model_dump()) for line in submitted.lines],
    )
    try:
        async with Session.begin() as session:
            session.add(order)
    except IntegrityError:
        return
    await publish(OrderPlaced(order_id=order.id, **dict(submitted)))


@broker.subscriber(topic(StockReserved), group_id=topic(StockReserved), auto_offset_reset="earliest")
async def stock_reserved(reserved: StockReserved) -> None:
    """Stock is held; confirm if it is paid."""
    async with Session.begin() as session:
        order = await session.scalar(select(Order).where(Order.id == reserved.order_id).with_for_update())
        if order is None or order.reservation is not None:
            return
        order.reservation = reserved.model_dump(mode="json")
        confirmed = confirm(order)
    if confirmed is not None:
        await publish(confirmed)


@broker.subscriber(topic(PaymentAuthorized), group_id=topic(PaymentAuthorized), auto_offset_reset="earliest")
async def payment_authorized(authorized: PaymentAuthorized) -> None:
    """It is paid; confirm if stock is held."""
    async with Session.begin() as session:
        order = await session.scalar(select(Order).where(Order.id == authorized.order_id).with_for_update())
        if order is None or authorized.amount < order.total:
            return
        order.paid = True
        confirmed = confirm(order)
    if confirmed is not None:
        await publish(confirmed)


@broker.subscriber(topic(ShipmentCreated), group_id=topic(ShipmentCreated), auto_offset_reset="earliest")
async def shipment_created(created: ShipmentCreated) -> None:
    """Record the shipment: the end of what is measured."""
    async with Session.begin() as session:
        order = await session.get(Order, created.order_id, with_for_update=True)
        if order is not None:
            order.shipment_id = created.shipment_id


def confirm(order: Order) -> OrderConfirmed | None:
    """The confirmation, once, when stock is held and the order is paid."""
    if not order.paid or order.reservation is None or order.confirmed:
        return None
    order.confirmed = True
    values = {line.line_id: line.total for line in order.lines}
    places = [
        ConfirmedPlace(**place, shipment_id=shipment_id(order.id, place["place_id"]), shipping=order.shipping)
        for place in order.reservation["places"]
    ]
    allocations = [
        ConfirmedAllocation(**allocation, value=values[allocation["line_id"]])
        for allocation in order.reservation["allocations"]
    ]
    return OrderConfirmed(
        order_id=order.id,
        channel=order.channel,
        external_id=order.external_id,
        contact=order.contact,
        address=order.address,
        lines=[
            {
                name: getattr(line, name)
                for name in ("line_id", "sku", "title", "quantity", "unit_price", "discount", "tax", "total")
            }
            for line in order.lines
        ],
        shipping=order.shipping,
        total=order.total,
        currency=order.currency,
        places=places,
        allocations=allocations,
    )


if __name__ == "__main__":
    run()
