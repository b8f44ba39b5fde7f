"""Quantities: opened under the locks of their SKUs, saved together with the ledger rows that explain them."""

from collections.abc import Collection, Mapping

from services.inventory.domain.catalogue import Sku
from services.inventory.domain.stock import Book, Level, Movement
from services.inventory.store.catalogue import read_sku
from services.inventory.store.tables import ledger, skus, stock
from shared.db.bulk import Row, Session
from shared.value_object import value_object


@value_object
class Shelf:
    """Some SKUs, locked: those the catalogue knows, their stock, and how often it was told."""

    skus: Mapping[str, Sku]
    book: Book
    sequences: Mapping[str, int]

    @property
    def place_ids(self) -> set[str]:
        """The places where any of them is or was."""
        return {place_id for sku in self.skus for place_id in self.book.places(sku)}


@value_object
class LevelsChanged:
    """A SKU's levels at the places where they changed; `sequence` rises with each change told."""

    sku: str
    sequence: int
    places: Mapping[str, Level]


class Stock:
    """Stock of SKUs at places."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def open(self, wanted: Collection[str]) -> Shelf:
        """Lock these SKUs, in order, and load all their stock.

        A SKU's row guards all of its stock, so nobody can change or add a row of it meanwhile. The stock is read
        by a statement of its own, after the locks are there: it sees what the last holder committed.
        """
        rows = await self._session.fetch(skus, "sku", sorted(wanted), lock=True)
        known = [row["sku"] for row in rows]
        levels = await self._session.fetch(stock, "sku", known, order_by=("sku", "place_id"))
        return Shelf(
            skus={row["sku"]: read_sku(row) for row in rows},
            book=Book(
                {
                    (row["sku"], row["place_id"]): Level(row["on_hand"], row["reserved"], row["unavailable"])
                    for row in levels
                }
            ),
            sequences={row["sku"]: row["level_sequence"] for row in rows},
        )

    async def save(self, shelf: Shelf) -> list[LevelsChanged]:
        """Write the book: counters, the movements behind them, and the sequence of every SKU that changed."""
        await self._session.insert(ledger, [_ledger_row(movement) for movement in shelf.book.movements])
        changed = shelf.book.changed()
        rows = {key: _level_row(*key, level) for key, level in changed.items()}
        known = [row for key, row in rows.items() if shelf.book.was_loaded(*key)]
        await self._session.update(stock, known, key=("sku", "place_id"))
        await self._session.insert(
            stock, [row for key, row in rows.items() if not shelf.book.was_loaded(*key)]
        )
        by_sku: dict[str, dict[str, Level]] = {}
        for (sku, place_id), level in changed.items():
            by_sku.setdefault(sku, {})[place_id] = level
        told = [LevelsChanged(sku, shelf.sequences[sku] + 1, places) for sku, places in by_sku.items()]
        sequences = [{"sku": change.sku, "level_sequence": change.sequence} for change in told]
        await self._session.update(skus, sequences, key=("sku",))
        return told


def _level_row(sku: str, place_id: str, level: Level) -> Row:
    return {
        "sku": sku,
        "place_id": place_id,
        "on_hand": level.on_hand,
        "reserved": level.reserved,
        "unavailable": level.unavailable,
    }


def _ledger_row(movement: Movement) -> Row:
    return {
        "kind": movement.kind.value,
        "sku": movement.sku,
        "place_id": movement.place_id,
        "quantity": movement.quantity,
        "on_hand": movement.on_hand,
        "reserved": movement.reserved,
        "unavailable": movement.unavailable,
        "cause_kind": movement.cause.kind,
        "cause_id": movement.cause.id,
        "actor": movement.cause.actor,
        "reason": movement.cause.reason,
        "note": movement.cause.note,
    }
