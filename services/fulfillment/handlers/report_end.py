"""A person says how a parcel ended when the carrier did not."""

from collections.abc import Sequence
from datetime import UTC, datetime

from services.fulfillment.domain import steps
from services.fulfillment.domain.change import Decision, Faulty
from services.fulfillment.domain.shipment import End, Shipment
from services.fulfillment.domain.tracking import time_fault
from services.fulfillment.handlers.steps import Steps, hold, settle
from services.fulfillment.store import Tx
from shared.messaging.message import Command, Outcome
from shared.value_object import value_object


@value_object
class ReportEnd:
    """A parcel that is lost or came back; when, if not just now, and how that is known."""

    shipment_id: str
    end: End
    at: datetime | None = None
    reason: str = ""


async def report_end(commands: Sequence[Command[Steps[ReportEnd]]], tx: Tx) -> Sequence[Outcome]:
    """Lost or returned to sender, once; the first end stands."""
    held = await hold(commands, tx)

    def decide(parcel: Shipment, row: ReportEnd) -> Decision:
        fault = time_fault(row.at, tx.now) if row.at is not None else None
        if fault is not None:
            return Faulty((("at", fault),))
        return steps.report_end(parcel, row.end, row.at.astimezone(UTC) if row.at else tx.now, row.reason)

    return await settle(commands, held, tx, decide)
