"""Telling the world how much there is: after every batch, each SKU that changed once."""

from collections.abc import Iterable, Mapping
from typing import Any

from services.inventory.domain.stock import Level, Movement
from services.inventory.store import Tx
from services.inventory.store.stock import LevelsChanged
from shared.contracts.inventory import LevelAtPlace, StockLevelChanged
from shared.messaging.message import Command, Message

Causes = Mapping[str, Message[Any] | Command[Any]]
"""Id of a movement's cause -> the message or command that brought it."""


def tell_levels(
    changes: Iterable[LevelsChanged], movements: Iterable[Movement], causes: Causes, tx: Tx
) -> None:
    """Say each changed SKU's quantities, absolute, in the trace of the last movement that changed it."""
    last = {movement.sku: causes[movement.cause.id] for movement in movements if movement.cause.id in causes}
    for change in changes:
        cause = last[change.sku]
        event = StockLevelChanged(
            sku=change.sku,
            sequence=change.sequence,
            places=tuple(_at(place_id, level) for place_id, level in change.places.items()),
        )
        tx.emit(event, trace=cause.trace, cause=cause, sequence=change.sequence)


def _at(place_id: str, level: Level) -> LevelAtPlace:
    return LevelAtPlace(
        place_id=place_id,
        on_hand=level.on_hand,
        reserved=level.reserved,
        unavailable=level.unavailable,
        available=level.available,
    )
