"""Create or change places."""

from collections.abc import Sequence

from services.inventory.domain.catalogue import Place
from services.inventory.store import Tx
from shared.messaging.message import Command, Done, Outcome


async def put_places(commands: Sequence[Command[Sequence[Place]]], tx: Tx) -> Sequence[Outcome]:
    """Each entry replaces what was known of its place. Answers per entry `created` or `updated`.

    A place that is no longer active ships what it holds for orders and gets no new ones.
    """
    entries = {place.place_id: place for command in commands for place in command.value}
    new = await tx.store.catalogue.put_places(entries, tx.now)
    return [
        Done(
            {
                "results": [
                    {"key": place.place_id, "status": _status(place.place_id, new)} for place in command.value
                ]
            }
        )
        for command in commands
    ]


def _status(key: str, new: set[str]) -> str:
    return "created" if key in new else "updated"
