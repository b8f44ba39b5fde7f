"""The sender reports what became of mails."""

from collections.abc import Sequence
from datetime import timedelta

from services.notifications.domain.delivery import Delivery, Patience, State, settle
from services.notifications.domain.mail import Answer, Refused
from services.notifications.store import Tx
from shared.contracts.notifications import NotificationFailed, NotificationSent
from shared.value_object import value_object


@value_object
class Attempt:
    """Attempt number `attempt` in a delivery's `sending`, and what the mail server answered."""

    delivery_id: str
    sending: int
    attempt: int
    answer: Answer


async def settle_deliveries(attempts: Sequence[Attempt], tx: Tx) -> list[Delivery]:
    """Write down what the answers make of the deliveries and say which were sent and which failed.

    Returns the deliveries that changed.
    """
    patience = Patience(
        first=timedelta(seconds=tx.settings.retry_first_seconds),
        longest=timedelta(seconds=tx.settings.retry_longest_seconds),
        give_up_after=timedelta(hours=tx.settings.give_up_hours),
    )
    deliveries = await tx.store.deliveries.lock({attempt.delivery_id for attempt in attempts})
    changed: dict[str, Delivery] = {}
    for attempt in attempts:
        # While the server was asked it may have been purged, or sent by another process and wanted again.
        delivery = deliveries.get(attempt.delivery_id)
        if delivery is None or delivery.sending != attempt.sending:
            continue
        settled = settle(delivery, attempt.attempt, attempt.answer, tx.now, patience)
        if settled is not None:
            changed[settled.delivery_id] = deliveries[settled.delivery_id] = settled
            _say(settled, attempt.answer, tx)
    await tx.store.deliveries.update(list(changed.values()))
    return list(changed.values())


def _say(delivery: Delivery, answer: Answer, tx: Tx) -> None:
    told = {
        "order_id": delivery.order_id,
        "delivery_id": delivery.delivery_id,
        "template": delivery.template,
        "cause": delivery.cause,
    }
    if delivery.state is State.SENT:
        tx.emit(NotificationSent(**told), trace=delivery.traceparent, sequence=delivery.version)
    elif delivery.state is State.FAILED:
        # Only the code: the server's words may quote the address, and events carry no personal data.
        reason = f"refused: {answer.code}" if isinstance(answer, Refused) else "given up: not taken in time"
        failed = NotificationFailed(**told, reason=reason)
        tx.emit(failed, trace=delivery.traceparent, sequence=delivery.version)
