"""Faults planted from outside, each of a kind that order management systems have had; the simulation must find them.

Nothing in `services` or `shared` knows of these. Each is a block in which one function is another one.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from importlib import import_module
from typing import Any
from unittest.mock import patch

import services.fulfillment.domain.order
import services.inventory.domain.reservation
import services.orders.domain.balance
import services.orders.domain.saga
import services.orders.handlers.submissions
import services.orders.store
import shared.messaging.consumer
from services.inventory.domain.reservation import Answer, Reservation
from services.inventory.domain.stock import Level
from services.notifications.store.deliveries import Deliveries
from services.orders.domain.facts import Facts
from services.orders.domain.order import Order
from services.orders.domain.parcels import end_of
from services.orders.domain.sayings import Issue
from services.returns.domain.order import ReturnableOrder
from tests.simulation.blueprints import silence
from tests.simulation.history import History, script

Mutant = Callable[[], AbstractContextManager[Any]]

_orders = services.orders.domain
_reservation = services.inventory.domain.reservation


def _rule(name: str, **changes: Any) -> AbstractContextManager[Any]:
    rules = _orders.saga.RULES
    return patch.object(
        _orders.saga,
        "RULES",
        tuple(replace(rule, **changes) if rule.name == name else rule for rule in rules),
    )


def _stock_forgets_cancellations() -> AbstractContextManager[Any]:
    """A cancellation that overtakes its order leaves no tombstone in inventory."""
    return patch.object(Reservation, "undecided", property(lambda known: known.answer is Answer.NONE))


def _fulfilment_forgets_cancellations() -> AbstractContextManager[Any]:
    """An order whose cancellation was answered before it came is shipped all the same."""
    module = import_module("services.fulfillment.handlers.order_confirmed")
    return patch.object(module, "creates_parcels", lambda before: before is None or not before.confirmed)


def _orders_forget_cancellations() -> AbstractContextManager[Any]:
    """A cancellation that waits for its order is lost when that comes."""
    module = services.orders.handlers.submissions
    place = module._place

    def forgetful(submission: Any, held: Any, tx: Any) -> Any:
        held.order = Order(held.order.terms, Facts())
        return place(submission, held, tx)

    return patch.object(module, "_place", forgetful)


def _inbox_skipped() -> AbstractContextManager[Any]:
    """Every message is new."""

    async def always(session: Any, consumer: str, ids: Any) -> set[Any]:
        return set(ids)

    return patch.object(shared.messaging.consumer, "first_time", always)


def _released_twice() -> AbstractContextManager[Any]:
    """Units that a cancellation gave back are given back again when their parcel is cancelled."""

    def again(fate: Any, sku: Any, place: Any, quantity: Any, missing: Any, cause: Any, book: Any) -> Any:
        return _reservation._from_held(fate, sku, place, quantity, missing, cause)

    return patch.object(_reservation, "_from_free", again)


def _told_again() -> AbstractContextManager[Any]:
    """A refund is told again whenever anything is heard of its order."""

    def tells(order: Order) -> list[Issue]:
        return [
            Issue(key, payment_id, amount, (), ())
            for payment_id, payment in order.facts.payments.items()
            for key, amount in payment.refunded.items()
        ]

    return _rule("tell", say=tells)


def _paid_back_twice() -> AbstractContextManager[Any]:
    """Refunds that were asked for and are not answered do not count."""

    def only_answered(account: Any, facts: Facts, key: str, request: Any) -> None:
        account.refunds += facts.payments[request.payment_id].refunded.get(key, 0)

    return patch.dict(_orders.balance._COUNT, refund=only_answered)


def _captured_twice() -> AbstractContextManager[Any]:
    """Captures that were asked for and are not answered do not count."""
    return patch.dict(_orders.balance._COUNT, capture=lambda *_: None)


def _voided_while_captured() -> AbstractContextManager[Any]:
    """An authorisation is given up while a capture of it is under way."""
    return _rule("void", when=lambda order: order.final)


def _confirmed_after_giving_up() -> AbstractContextManager[Any]:
    """An order that was cancelled is confirmed when its stock or its money comes late."""

    def confirms(order: Order) -> bool:
        funded = order.balance.funds >= order.terms.total
        return not order.confirmed and order.reservation is not None and not order.on_hold and funded

    return _rule("confirm", when=confirms)


def _late_facts_lost() -> AbstractContextManager[Any]:
    """What is heard of an order that is over is dropped."""
    module = import_module("services.orders.handlers.order_facts")
    learnt = module.learnt
    return patch.object(
        module, "learnt", lambda event, held, now: Facts() if held.order.final else learnt(event, held, now)
    )


def _first_parcel_completes() -> AbstractContextManager[Any]:
    """An order is complete when one of its parcels has ended."""

    def ended(order: Order) -> bool:
        return any(end_of(parcel) for _, _, parcel in order.parcels)

    return patch.object(Order, "every_parcel_ended", property(ended))


def _clock_instead_of_progress() -> AbstractContextManager[Any]:
    """Deadlines pass by the clock, whatever waits unread."""

    async def now(session: Any) -> Any:
        return session.now

    return patch.object(services.orders.store, "consumed_until", now)


def _promised_units_sold() -> AbstractContextManager[Any]:
    """What is reserved counts as available."""
    return patch.object(Level, "available", property(lambda level: level.on_hand - level.unavailable))


def _contact_not_waited_for() -> AbstractContextManager[Any]:
    """What waited for its contact is not sent when that comes."""

    async def nothing(_: Any, order_ids: Any) -> list[Any]:
        return []

    return patch.object(Deliveries, "waiting", nothing)


def _returned_twice() -> AbstractContextManager[Any]:
    """Units that a return waits for may be promised to another one."""
    return patch.object(ReturnableOrder, "awaited", lambda order: Counter())


def _picked_parcel_cancelled() -> AbstractContextManager[Any]:
    """Fulfilment gives an order up although a parcel of it was picked."""
    return patch.object(services.fulfillment.domain.order, "_was_picked", lambda parcel: False)


MUTANTS: Mapping[str, Mutant] = {
    function.__name__.strip("_"): function
    for function in (
        _stock_forgets_cancellations, _fulfilment_forgets_cancellations, _orders_forget_cancellations,
        _inbox_skipped, _released_twice, _told_again, _paid_back_twice, _captured_twice, _voided_while_captured,
        _confirmed_after_giving_up, _late_facts_lost, _first_parcel_completes, _clock_instead_of_progress,
        _promised_units_sold, _contact_not_waited_for, _returned_twice, _picked_parcel_cancelled,
    )
}  # fmt: skip
"""Every planted fault by its name."""


def seeds_until_found(name: str, most: int) -> int | None:
    """How many seeds it takes until an invariant is broken; None if `most` are not enough."""
    with MUTANTS[name](), silence():
        for seed in range(most):
            if History(script(seed)).play().failures:
                return seed + 1
    return None
