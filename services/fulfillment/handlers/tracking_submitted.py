"""A carrier scanned a parcel."""

import re
from collections.abc import Sequence

from services.fulfillment.handlers.scans import Submitted, Taken, merge_scans
from services.fulfillment.store import Tx
from shared.contracts.carriers import ShipmentTrackingSubmitted
from shared.contracts.fulfillment import ShipmentTrackingRefused
from shared.messaging.message import Invalid, Message

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


async def tracking_submitted(
    messages: Sequence[Message[ShipmentTrackingSubmitted | Invalid]], tx: Tx
) -> None:
    """Merges scans into their parcels; what cannot be taken is answered with shipment.tracking_refused."""
    submitted = []
    for message in messages:
        if isinstance(message.event, Invalid):
            tx.emit(_invalid(message.event), trace=message.trace, cause=message)
        else:
            submitted.append(Submitted(message.event, message, message.event.carrier))
    verdicts = await merge_scans(submitted, tx)
    for entry, verdict in zip(submitted, verdicts, strict=True):
        if isinstance(verdict, Taken):
            continue
        refusal = ShipmentTrackingRefused(
            scan_id=entry.scan.scan_id, tracking_number=entry.scan.tracking_number, errors=(verdict,)
        )
        tx.emit(refusal, trace=entry.cause.trace, cause=entry.cause)


def _invalid(submitted: Invalid) -> ShipmentTrackingRefused:
    return ShipmentTrackingRefused(
        scan_id=_readable(submitted.body.get("scan_id")),
        tracking_number=_readable(submitted.body.get("tracking_number")),
        errors=submitted.errors,
    )


def _readable(value: object) -> str:
    """What was sent, as far as it can be repeated: other systems find their scan by it."""
    return _CONTROL.sub("?", value if isinstance(value, str) else "")[:200]
