"""Nobody heard of a parcel for too long."""

from collections.abc import Sequence
from datetime import timedelta

from services.fulfillment.domain.tracking import silence
from services.fulfillment.handlers.steps import Steps, hold, settle
from services.fulfillment.store import Tx
from shared.messaging.message import Command, Outcome
from shared.value_object import value_object


@value_object
class FlagSilent:
    """A parcel without a sign for longer than the setting `silent_days`."""

    shipment_id: str


async def flag_silent(commands: Sequence[Command[Steps[FlagSilent]]], tx: Tx) -> Sequence[Outcome]:
    """Flags parcels that are still silent now that they are held; a sign that came meanwhile counts."""
    held = await hold(commands, tx)
    days = tx.settings.silent_days
    before = tx.now - timedelta(days=days)
    return await settle(commands, held, tx, lambda parcel, _: silence(parcel, before, days))
