"""A person wants a delivery sent again."""

from collections.abc import Sequence

from services.notifications.domain.delivery import send_again
from services.notifications.store import Tx
from shared.messaging.message import Command, Done, Outcome, Refused
from shared.value_object import value_object


@value_object
class ResendDelivery:
    """Send this one again."""

    delivery_id: str


async def resend_delivery(commands: Sequence[Command[ResendDelivery]], tx: Tx) -> Sequence[Outcome]:
    """Queue deliveries that came to an end once more. One that is queued already is not sent twice."""
    deliveries = await tx.store.deliveries.lock({command.value.delivery_id for command in commands})
    changed = {}
    outcomes: list[Outcome] = []
    for command in commands:
        delivery = deliveries.get(command.value.delivery_id)
        if delivery is None:
            outcomes.append(Refused(404, "unknown_delivery", "There is no such delivery."))
            continue
        again = send_again(delivery, tx.now)
        if again is None:
            why = f"The delivery is {delivery.state.value}: there is nobody to send it to."
            outcomes.append(Refused(409, "no_recipient", why))
            continue
        if again is not delivery:
            changed[again.delivery_id] = deliveries[again.delivery_id] = again
        body = {"delivery_id": again.delivery_id, "state": again.state.value, "sending": again.sending}
        outcomes.append(Done(body, status=202))
    await tx.store.deliveries.update(list(changed.values()))
    return outcomes
