"""POST /orders and the import: capture an order; the same order again answers the same id."""

from collections.abc import Sequence

from services.orders.handlers.submissions import Captured, Conflict, Faulty, Result, Submission, capture
from services.orders.store import Tx
from shared.contracts.channels import OrderSubmitted
from shared.messaging.message import Command, Done, Outcome, Refused


async def place_order(commands: Sequence[Command[OrderSubmitted]], tx: Tx) -> Sequence[Outcome]:
    """202 with the id of a new order, 200 with the id of a known one, 422 or 409 with every field at fault."""
    submissions = [Submission(command.value, command, command.actor) for command in commands]
    return [_outcome(result) for result in await capture(submissions, tx)]


def _outcome(result: Result) -> Outcome:
    match result:
        case Captured(order_id=order_id, new=new):
            where = {"Location": f"/orders/{order_id}"}
            return Done({"order_id": order_id, "new": new}, status=202 if new else 200, headers=where)
        case Faulty(errors=errors):
            return Refused(422, "faulty_fields", f"{len(errors)} faulty field(s); see errors", errors)
        case Conflict(order_id=order_id, errors=errors):
            detail = (
                f"Another order stands under this channel and external id: {order_id}. Cancel that one and send"
                " this under a new external id, or send the same order again."
            )
            return Refused(409, "different_order", detail, errors, {"Location": f"/orders/{order_id}"})
