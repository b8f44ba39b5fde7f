"""Create or change SKUs."""

from collections.abc import Sequence

from services.inventory.domain.catalogue import Sku
from services.inventory.store import Tx
from shared.messaging.message import Command, Done, Outcome


async def put_skus(commands: Sequence[Command[Sequence[Sku]]], tx: Tx) -> Sequence[Outcome]:
    """Each entry replaces what was known of its SKU. Answers per entry `created` or `updated`; stock stays."""
    entries = {sku.sku: sku for command in commands for sku in command.value}
    new = await tx.store.catalogue.put_skus(entries, tx.now)
    return [
        Done({"results": [{"key": sku.sku, "status": _status(sku.sku, new)} for sku in command.value]})
        for command in commands
    ]


def _status(key: str, new: set[str]) -> str:
    return "created" if key in new else "updated"
