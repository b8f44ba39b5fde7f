"""The picker says what was found."""

from collections.abc import Mapping, Sequence

from services.fulfillment.domain import steps
from services.fulfillment.handlers.steps import Steps, hold, settle
from services.fulfillment.store import Tx
from shared.messaging.message import Command, Outcome
from shared.value_object import value_object


@value_object
class Pick:
    """Units found per line id; None: all of them."""

    shipment_id: str
    found: Mapping[str, int] | None = None


async def pick(commands: Sequence[Command[Steps[Pick]]], tx: Tx) -> Sequence[Outcome]:
    """Picked in full, or short: then the parcel is cancelled and the other parcels of its order go on."""
    held = await hold(commands, tx)
    return await settle(commands, held, tx, lambda parcel, row: steps.pick(parcel, row.found, tx.now))
