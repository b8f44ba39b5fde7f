"""Baseline inventory: reserves the units of an order at one place."""

from sqlalchemy import select
from sqlalchemy.orm import Mapped, mapped_column

from shared.contracts.inventory import Allocation, Place, Shortage, StockRejected, StockReserved
from shared.contracts.orders import OrderPlaced
from shared.db.ids import new_id
from tests.bench.baseline.app import Base, Session, broker, publish, run, topic


class Stock(Base):
    """How many units of a SKU are at a place."""

    __tablename__ = "stock"

    sku: Mapped[str] = mapped_column(primary_key=True)
    place_id: Mapped[str] = mapped_column(primary_key=True)
    on_hand: Mapped[int]
    reserved: Mapped[int] = mapped_column(default=0)


class Reservation(Base):
    """Units held for a line of an order."""

    __tablename__ = "reservations"

    order_id: Mapped[str] = mapped_column(primary_key=True)
    line_id: Mapped[str] = mapped_column(primary_key=True)
    reservation_id: Mapped[str]
    sku: Mapped[str]
    place_id: Mapped[str]
    quantity: Mapped[int]


@broker.subscriber(topic(OrderPlaced), group_id=topic(OrderPlaced), auto_offset_reset="earliest")
async def order_placed(placed: OrderPlaced) -> None:
    """Hold all units at the place that has most of them, or none."""
    said: StockReserved | StockRejected
    async with Session.begin() as session:
        if await session.scalar(select(Reservation).where(Reservation.order_id == placed.order_id).limit(1)):
            return
        skus = sorted({line.sku for line in placed.lines})
        found = await session.scalars(
            select(Stock).where(Stock.sku.in_(skus)).order_by(Stock.sku, Stock.place_id).with_for_update()
        )
        stock = {(row.sku, row.place_id): row for row in found}
        place = choose(placed, stock)
        if place is None:
            said = StockRejected(order_id=placed.order_id, shortages=shortages(placed, stock))
        else:
            reservation_id = new_id()
            allocations = []
            for line in placed.lines:
                stock[line.sku, place].reserved += line.quantity
                session.add(
                    Reservation(
                        order_id=placed.order_id,
                        line_id=line.line_id,
                        reservation_id=reservation_id,
                        sku=line.sku,
                        place_id=place,
                        quantity=line.quantity,
                    )
                )
                allocations.append(
                    Allocation(place_id=place, line_id=line.line_id, sku=line.sku, quantity=line.quantity)
                )
            said = StockReserved(
                order_id=placed.order_id,
                reservation_id=reservation_id,
                places=(Place(place_id=place, address=placed.address),),
                allocations=tuple(allocations),
            )
    await publish(said)


def choose(placed: OrderPlaced, stock: dict[tuple[str, str], Stock]) -> str | None:
    """The place that has all units and most left of them."""
    needed: dict[str, int] = {}
    for line in placed.lines:
        needed[line.sku] = needed.get(line.sku, 0) + line.quantity
    best, most = None, -1
    for place in sorted({place for _, place in stock}):
        rows = [(stock.get((sku, place)), quantity) for sku, quantity in needed.items()]
        left = [row.on_hand - row.reserved - quantity if row is not None else -1 for row, quantity in rows]
        if min(left) >= 0 and sum(left) > most:
            best, most = place, sum(left)
    return best


def shortages(placed: OrderPlaced, stock: dict[tuple[str, str], Stock]) -> tuple[Shortage, ...]:
    """What cannot be promised."""
    return tuple(
        Shortage(
            sku=line.sku,
            requested=line.quantity,
            available=sum(row.on_hand - row.reserved for (sku, _), row in stock.items() if sku == line.sku),
            reason="not_enough_stock",
        )
        for line in placed.lines
    )


if __name__ == "__main__":
    run()
