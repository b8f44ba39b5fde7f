"""The packer closed a parcel."""

from collections.abc import Sequence

from services.fulfillment.domain import steps
from services.fulfillment.handlers.steps import Steps, hold, settle
from services.fulfillment.store import Tx
from shared.messaging.message import Command, Outcome
from shared.value_object import value_object


@value_object
class Pack:
    """A closed parcel; its gross weight in grams, if it was weighed."""

    shipment_id: str
    weight_g: int | None = None


async def pack(commands: Sequence[Command[Steps[Pack]]], tx: Tx) -> Sequence[Outcome]:
    """Packed, once."""
    held = await hold(commands, tx)
    return await settle(commands, held, tx, lambda parcel, row: steps.pack(parcel, row.weight_g))
