"""What people and other systems are answered."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from services.returns.domain.change import Change, Decision, Fault, Faulty, Refusal, TooEarly
from services.returns.domain.returns import Return
from services.returns.handlers.say import carry_out
from services.returns.store import Held, Tx
from shared.contracts.envelope import FieldError
from shared.messaging.message import Command, Done, Outcome, Refused


def settle(decision: Decision, held: Held, tx: Tx, command: Command[Any]) -> Outcome:
    """Carries a decision out, or says why not."""
    if isinstance(decision, Change):
        return Done(describe(carry_out(decision, held, tx, cause=command)))
    return refuse(decision)


def refuse(refusal: Refusal) -> Refused:
    """A refusal as HTTP: 422 for what can never be right, else 409, with Retry-After where waiting helps."""
    if isinstance(refusal, Faulty):
        count = len(refusal.faults)
        return Refused(422, "faulty_fields", f"{count} faulty field(s); see errors", _errors(refusal.faults))
    headers = {"Retry-After": str(refusal.seconds)} if isinstance(refusal, TooEarly) else {}
    return Refused(409, refusal.code, refusal.detail, _errors(refusal.faults), headers)


def unknown_return(return_id: str) -> Refused:
    """There is no such return."""
    return Refused(404, "unknown_return", f"There is no return {return_id}.")


def describe(each: Return) -> dict[str, Any]:
    """A return as JSON."""
    receipt, rejection = each.receipt, each.rejection
    return {
        "return_id": each.return_id,
        "order_id": each.order_id,
        "origin": each.origin.value,
        "reference": each.reference,
        "state": each.state.value,
        "units": [asdict(units) for units in each.units],
        "authorized_at": _time(each.authorized_at),
        "authorized_by": each.authorized_by,
        "expires_at": _time(each.expires_at),
        "received": {
            "place_id": receipt.place_id,
            "units": [asdict(units) for units in receipt.units],
            "value": receipt.value,
            "currency": receipt.currency,
            "at": _time(receipt.at),
            "by": receipt.by,
        }
        if receipt
        else None,
        "rejected": {"reason": rejection.reason, "at": _time(rejection.at), "by": rejection.by}
        if rejection
        else None,
        "refunded": each.refunded,
    }


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None


def _errors(faults: tuple[Fault, ...]) -> tuple[FieldError, ...]:
    return tuple(
        FieldError(field=each.field, problem=each.problem, remedy=each.remedy) for each in faults[:100]
    )
