"""An order wants stock: choose its places and hold everything, or say what lacks."""

from collections.abc import Mapping, Sequence

from services.inventory.domain.catalogue import Place
from services.inventory.domain.geography import Located, Point
from services.inventory.domain.reservation import name_of, reject, reserve
from services.inventory.domain.sourcing import Decision, Lack, Wanted, source
from services.inventory.handlers.allocations import allocation
from services.inventory.handlers.levels import tell_levels
from services.inventory.ports import Gazetteer
from services.inventory.store import Tx
from services.inventory.store.stock import Shelf
from shared.contracts.envelope import MAX_ALLOCATIONS, MAX_PLACES, Address
from shared.contracts.inventory import Place as SaidPlace
from shared.contracts.inventory import Shortage, StockRejected, StockReserved
from shared.contracts.orders import OrderPlaced
from shared.messaging.message import Message


async def order_placed(messages: Sequence[Message[OrderPlaced]], tx: Tx) -> None:
    """Decide order by order, in message order, over the same stock: each sees what those before it took."""
    before = await tx.store.reservations.take({message.event.order_id: message.trace for message in messages})
    undecided = [message for message in messages if before[message.event.order_id].undecided]
    shelf = await tx.store.stock.open({line.sku for message in undecided for line in message.event.lines})
    places = await tx.store.catalogue.places(shelf.place_ids)
    gazetteer: Gazetteer = tx.ports.gazetteer
    ships = {place_id: _said_place(place) for place_id, place in places.items() if place.active}
    sites = {place_id: _point(place.address, gazetteer) for place_id, place in ships.items()}

    after = dict(before)
    for message in undecided:
        order_id = message.event.order_id
        if not after[order_id].undecided:
            continue  # Placed twice in one batch.
        decision = _source(message.event, shelf, sites, gazetteer)
        if isinstance(decision, Decision):
            reservation_id = name_of(order_id, decision)
            after[order_id] = reserve(after[order_id], reservation_id, decision, shelf.book)
            said: StockReserved | StockRejected = _reserved(order_id, reservation_id, decision, shelf, ships)
        else:
            after[order_id] = reject(after[order_id])
            said = _rejected(order_id, decision)
        tx.emit(said, trace=after[order_id].trace, cause=message, sequence=after[order_id].version)

    await tx.store.reservations.save(before, after)
    changes = await tx.store.stock.save(shelf)
    tell_levels(changes, shelf.book.movements, {message.event.order_id: message for message in undecided}, tx)


def _source(
    order: OrderPlaced, shelf: Shelf, sites: Mapping[str, Point | None], gazetteer: Gazetteer
) -> Decision | tuple[Lack, ...]:
    lines = [Wanted(line.line_id, line.sku, line.quantity) for line in order.lines]
    destination = _located(order.address, gazetteer)
    return source(lines, shelf.book, shelf.skus, sites, destination, MAX_ALLOCATIONS, MAX_PLACES)


def _located(address: Address, gazetteer: Gazetteer) -> Located | None:
    if address.latitude is not None and address.longitude is not None:
        return Located(Point(address.latitude, address.longitude), "coordinates")
    return gazetteer.locate(address.country, address.region, address.city)


def _point(address: Address, gazetteer: Gazetteer) -> Point | None:
    located = _located(address, gazetteer)
    return located.point if located is not None else None


def _reserved(
    order_id: str, reservation_id: str, decision: Decision, shelf: Shelf, ships: Mapping[str, SaidPlace]
) -> StockReserved:
    return StockReserved(
        order_id=order_id,
        reservation_id=reservation_id,
        places=tuple(ships[place_id] for place_id in decision.places),
        allocations=tuple(allocation(allotment, shelf.skus) for allotment in decision.allotments),
    )


def _said_place(place: Place) -> SaidPlace:
    return SaidPlace(
        place_id=place.place_id, kind=place.kind, name=place.name, address=Address(**place.address)
    )


def _rejected(order_id: str, lacks: Sequence[Lack]) -> StockRejected:
    return StockRejected(
        order_id=order_id,
        shortages=tuple(
            Shortage(sku=lack.sku, requested=lack.requested, available=lack.available, reason=lack.reason)
            for lack in lacks
        ),
    )
