"""A person looked at a flagged parcel."""

from collections.abc import Sequence

from services.fulfillment.domain import steps
from services.fulfillment.handlers.steps import Steps, hold, settle
from services.fulfillment.store import Tx
from shared.messaging.message import Command, Outcome
from shared.value_object import value_object


@value_object
class Resolve:
    """What was found out."""

    shipment_id: str
    why: str


async def resolve(commands: Sequence[Command[Steps[Resolve]]], tx: Tx) -> Sequence[Outcome]:
    """Takes the flag off; the timeline keeps what it was and why it went."""
    held = await hold(commands, tx)
    return await settle(commands, held, tx, lambda parcel, row: steps.resolve(parcel, row.why, tx.now))
