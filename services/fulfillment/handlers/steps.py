"""The way every command on parcels goes: hold them, decide row by row, record, answer.

A command carries one row (a person, `POST /shipments/{id}/...`) or many (`POST /bulk/...`); in a bulk each
row stands alone, so that one contradiction does not keep the others from being done.
"""

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from services.fulfillment.domain.change import Change, Decision, Faulty
from services.fulfillment.domain.shipment import Shipment
from services.fulfillment.handlers.say import carry_out
from services.fulfillment.handlers.views import ShipmentView
from services.fulfillment.store import Held, Tx
from shared.contracts.envelope import FieldError
from shared.messaging.message import Command, Done, Outcome, Refused
from shared.value_object import value_object


class Row(Protocol):
    """What every row names."""

    @property
    def shipment_id(self) -> str:
        """The parcel the row is about."""


R = TypeVar("R", bound=Row)


@value_object
class Steps(Generic[R]):
    """A step for one or many parcels; `bulk` is answered row by row."""

    rows: tuple[R, ...]
    bulk: bool = False


async def hold(commands: Sequence[Command[Steps[R]]], tx: Tx) -> Held:
    """All parcels that the commands name, locked."""
    return await tx.store.hold_shipments(
        {row.shipment_id for command in commands for row in command.value.rows}
    )


async def settle(
    commands: Sequence[Command[Steps[R]]], held: Held, tx: Tx, decide: Callable[[Shipment, R], Decision]
) -> list[Outcome]:
    """Decides every row in order, records and says what was decided, and writes it; one outcome per command."""
    outcomes: list[Outcome] = []
    for command in commands:
        answers = [_step(row, command, held, tx, decide) for row in command.value.rows]
        outcomes.append(_together(command.value.rows, answers) if command.value.bulk else answers[0])
    await tx.store.save(held)
    return outcomes


def _step(
    row: R, command: Command[Steps[R]], held: Held, tx: Tx, decide: Callable[[Shipment, R], Decision]
) -> Outcome:
    shipment = held.shipments.get(row.shipment_id)
    if shipment is None:
        return Refused(404, "unknown_shipment", f"There is no parcel {row.shipment_id}.")
    decision = decide(shipment, row)
    if isinstance(decision, Change):
        shipment = carry_out(decision, held, tx, cause=command, actor=command.actor)
        return Done(ShipmentView.of(shipment).model_dump(mode="json"))
    if isinstance(decision, Faulty):
        errors = tuple(
            FieldError(field=field[:200], problem=problem) for field, problem in decision.faults[:100]
        )
        return Refused(422, "faulty_fields", f"{len(decision.faults)} faulty field(s); see errors", errors)
    return Refused(409, decision.code, decision.detail)


def _together(rows: Sequence[Row], answers: Sequence[Outcome]) -> Done:
    results = [
        {"shipment_id": row.shipment_id, "status": answer.status, **_result(answer)}
        for row, answer in zip(rows, answers, strict=True)
    ]
    done = sum(isinstance(answer, Done) for answer in answers)
    return Done({"done": done, "refused": len(answers) - done, "results": results})


def _result(answer: Outcome) -> dict[str, object]:
    if isinstance(answer, Done):
        return {"state": answer.body["state"], "tracking_number": answer.body["tracking_number"]}
    errors = [error.model_dump() for error in answer.errors]
    return {"code": answer.code, "detail": answer.detail, "errors": errors}
