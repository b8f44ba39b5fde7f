"""Baseline fulfilment: makes a shipment for every place of a confirmed order."""

from sqlalchemy import ForeignKey
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column, relationship

from shared.contracts.fulfillment import ShipmentCreated
from shared.contracts.fulfillment import ShipmentLine as Line
from shared.contracts.orders import OrderConfirmed
from tests.bench.baseline.app import Base, Session, broker, publish, run, topic


class Shipment(Base):
    """A parcel to pick and pack."""

    __tablename__ = "shipments"

    id: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str] = mapped_column(index=True)
    place_id: Mapped[str]
    state: Mapped[str] = mapped_column(default="created")
    lines: Mapped[list["ShipmentLine"]] = relationship()


class ShipmentLine(Base):
    """Units of one order line in a parcel."""

    __tablename__ = "shipment_lines"

    shipment_id: Mapped[str] = mapped_column(ForeignKey("shipments.id"), primary_key=True)
    line_id: Mapped[str] = mapped_column(primary_key=True)
    sku: Mapped[str]
    quantity: Mapped[int]


@broker.subscriber(topic(OrderConfirmed), group_id=topic(OrderConfirmed), auto_offset_reset="earliest")
async def order_confirmed(confirmed: OrderConfirmed) -> None:
    """One shipment per place, once."""
    created = [
        ShipmentCreated(
            order_id=confirmed.order_id,
            shipment_id=place.shipment_id,
            place_id=place.place_id,
            lines=tuple(
                Line(line_id=allocation.line_id, sku=allocation.sku, quantity=allocation.quantity)
                for allocation in confirmed.allocations
                if allocation.place_id == place.place_id
            ),
        )
        for place in confirmed.places
    ]
    try:
        async with Session.begin() as session:
            for event in created:
                session.add(
                    Shipment(
                        id=event.shipment_id,
                        order_id=event.order_id,
                        place_id=event.place_id,
                        lines=[ShipmentLine(**line.model_dump()) for line in event.lines],
                    )
                )
    except IntegrityError:
        return
    for event in created:
        await publish(event)


if __name__ == "__main__":
    run()
