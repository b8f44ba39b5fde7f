"""What came back goes where its disposition says."""

from services.inventory.domain.restock import Returned, take_back
from services.inventory.domain.stock import Book, Cause, Kind, Level

CAUSE = Cause("return", "r1", "return.received")


def test_dispositions() -> None:
    book = Book({})
    units = [
        Returned("s", 1, "new", "restock"),
        Returned("s", 2, "opened", "restock"),
        Returned("s", 4, "used", "quarantine"),
        Returned("t", 8, "damaged", "scrap"),
        Returned("t", 16, "missing", "restock"),
    ]
    book.move_all(take_back(units, "dock", CAUSE))
    assert book.at("s", "dock") == Level(on_hand=7, unavailable=4)
    assert book.at("t", "dock") == Level()
    assert [(movement.kind, movement.sku, movement.quantity) for movement in book.movements] == [
        (Kind.QUARANTINED, "s", 4),
        (Kind.RESTOCKED, "s", 3),
        (Kind.SCRAPPED, "t", 24),
    ]
