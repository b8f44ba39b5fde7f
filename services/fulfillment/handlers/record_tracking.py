"""Scans that come by HTTP: from carriers without Kafka, from handheld scanners, from people."""

from collections.abc import Sequence

from services.fulfillment.handlers.scans import Submitted, Taken, Verdict, merge_scans
from services.fulfillment.store import Tx
from shared.contracts.carriers import ShipmentTrackingSubmitted
from shared.messaging.message import Command, Done, Outcome, Refused
from shared.value_object import value_object


@value_object
class RecordTracking:
    """One or many scans; `bulk` is answered row by row."""

    scans: tuple[ShipmentTrackingSubmitted, ...]
    bulk: bool = False


async def record_tracking(commands: Sequence[Command[RecordTracking]], tx: Tx) -> Sequence[Outcome]:
    """Takes scans; the same scan id of a parcel is the same scan, however often it is sent."""
    submitted = [
        Submitted(scan, command, command.actor) for command in commands for scan in command.value.scans
    ]
    verdicts = iter(await merge_scans(submitted, tx))
    outcomes: list[Outcome] = []
    for command in commands:
        answers = [_answer(scan, next(verdicts)) for scan in command.value.scans]
        outcomes.append(_together(command.value.scans, answers) if command.value.bulk else answers[0])
    return outcomes


def _answer(scan: ShipmentTrackingSubmitted, verdict: Verdict) -> Outcome:
    if not isinstance(verdict, Taken):
        status = 404 if verdict.field == "tracking_number" else 422
        return Refused(status, "scan_refused", f"Scan {scan.scan_id} was not taken.", (verdict,))
    shipment = verdict.shipment
    return Done(
        {
            "scan_id": scan.scan_id,
            "shipment_id": shipment.shipment_id,
            "state": shipment.state,
            "new": verdict.new,
        }
    )


def _together(scans: Sequence[ShipmentTrackingSubmitted], answers: Sequence[Outcome]) -> Done:
    results = [
        {"scan_id": scan.scan_id, "status": answer.status, **_result(answer)}
        for scan, answer in zip(scans, answers, strict=True)
    ]
    done = sum(isinstance(answer, Done) for answer in answers)
    return Done({"done": done, "refused": len(answers) - done, "results": results})


def _result(answer: Outcome) -> dict[str, object]:
    if isinstance(answer, Done):
        return {
            "shipment_id": answer.body["shipment_id"],
            "state": answer.body["state"],
            "new": answer.body["new"],
        }
    errors = [error.model_dump() for error in answer.errors]
    return {"code": answer.code, "detail": answer.detail, "errors": errors}
