"""A channel sends an order by topic. Refusals are answered there too: order.refused."""

from collections.abc import Sequence

from services.orders.handlers.checking import faulty_fields_of
from services.orders.handlers.refusing import refuse
from services.orders.handlers.submissions import Captured, Submission, capture
from services.orders.store import Tx
from shared.contracts.channels import OrderSubmitted
from shared.messaging.message import Invalid, Message


async def order_submitted(messages: Sequence[Message[OrderSubmitted | Invalid]], tx: Tx) -> None:
    """Captures what can be an order. The same order again has no effect; another under its name is refused."""
    submissions: list[Submission] = []
    for message in messages:
        event = message.event
        if isinstance(event, Invalid):
            errors = faulty_fields_of(event.body, event.errors, tx.settings.policy)
            refuse(message, "order", event.body, errors, tx)
        else:
            submissions.append(Submission(event, message, event.channel))
    for submission, result in zip(submissions, await capture(submissions, tx), strict=True):
        if not isinstance(result, Captured):
            channel, external_id = submission.name
            named = {"channel": channel, "external_id": external_id}
            refuse(submission.cause, "order", named, result.errors, tx)
