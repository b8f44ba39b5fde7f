"""The one way an adjustment takes effect, whoever submitted it."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from services.inventory.domain.adjustment import Adjustment, Refusal, adjust
from services.inventory.domain.stock import Level
from services.inventory.handlers.levels import tell_levels
from services.inventory.store import Tx
from shared.messaging.message import Command, Message

Result: TypeAlias = "Level | Refusal | None"
"""The level after it, why it was refused, or None: the same adjustment had been applied before."""


async def apply_adjustments(
    asked: Sequence[tuple[Adjustment, str]], causes: Mapping[str, Message[Any] | Command[Any]], tx: Tx
) -> list[Result]:
    """Apply adjustments (each with who asks) in order; results are aligned with them.

    The same id with the same content counts once; with other content it is refused. A refused adjustment
    leaves nothing behind, so it may come again under its id once what was wrong is mended.
    """
    first: dict[str, Adjustment] = {}
    for one, _ in asked:
        first.setdefault(one.adjustment_id, one)
    earlier = await tx.store.effects.claim_adjustments(first)
    shelf = await tx.store.stock.open({one.sku for one, _ in asked})
    places = await tx.store.catalogue.places({one.place_id for one, _ in asked})
    applied = dict(earlier)
    results: list[Result] = []
    for one, actor in asked:
        known = applied.get(one.adjustment_id)
        if known is not None:
            results.append(None if known == one else _reused(one))
            continue
        decision = adjust(one, shelf.book, shelf.skus.keys(), places.keys(), actor)
        if isinstance(decision, Refusal):
            results.append(decision)
            continue
        shelf.book.move(decision)
        applied[one.adjustment_id] = one
        results.append(shelf.book.at(one.sku, one.place_id))
    # Where the first of an id was refused and a later one of the same batch applied, the id stands for the latter.
    others = {key: one for key, one in applied.items() if key not in earlier and one != first[key]}
    await tx.store.effects.unclaim_adjustments((first.keys() - applied.keys()) | others.keys())
    if others:
        await tx.store.effects.claim_adjustments(others)
    changes = await tx.store.stock.save(shelf)
    tell_levels(changes, shelf.book.movements, causes, tx)
    return results


def _reused(one: Adjustment) -> Refusal:
    problem = f"adjustment {one.adjustment_id} was applied with other content"
    return Refusal("id_reused", "adjustment_id", problem, "use a new adjustment id for a new change")
