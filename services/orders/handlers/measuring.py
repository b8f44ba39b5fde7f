"""What dashboards count of an order's life: begun, ended and how, what was taken back, what contradicts."""

from functools import partial

from services.orders.domain.saga import state
from services.orders.domain.sayings import Ask, Cancel, Complete, Place, Put, Recall
from services.orders.store import Held, Said, Tx
from shared.messaging.message import Message
from shared.telemetry.metrics import observe

_CONTRADICTIONS = frozenset({"contradiction", "second_end"})


def measure(said: Said, held: Held, tx: Tx) -> None:
    """Count one thing that an order says, if the transaction commits."""
    metrics = tx.metrics
    match said.saying:
        case Place():
            tx.measure(metrics.saga_started.inc)
        case Complete():
            _ended("completed", held, tx)
        case Cancel(reason=reason):
            _ended(reason, held, tx)
            if held.order.reservation is not None:
                tx.measure(metrics.saga_compensations.labels("release").inc)
        case Recall():
            tx.measure(metrics.saga_compensations.labels("recall").inc)
        case Ask(operation="refund" | "void" as operation):
            tx.measure(metrics.saga_compensations.labels(operation).inc)
        case Put(kind=kind) if kind in _CONTRADICTIONS:
            event = said.cause.topic if isinstance(said.cause, Message) else "command"
            tx.measure(metrics.saga_unexpected_event.labels(state(held.order).value, event).inc)


def _ended(outcome: str, held: Held, tx: Tx) -> None:
    tx.measure(tx.metrics.saga_finished.labels(outcome).inc)
    seconds = (tx.now - held.order.terms.placed_at).total_seconds()
    tx.measure(partial(observe, tx.metrics.saga_duration_seconds.labels(outcome), seconds, held.trace))
