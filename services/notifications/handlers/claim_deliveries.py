"""The sender asks what to send next."""

from datetime import timedelta

from services.notifications.domain.contact import Contact
from services.notifications.domain.delivery import Delivery
from services.notifications.domain.pace import Slots, free_slots
from services.notifications.store import Tx
from shared.value_object import value_object


@value_object
class Claimed:
    """A delivery that is this process's to send, `wait` after it was claimed, for as long as the claim lasts."""

    delivery: Delivery
    contact: Contact
    wait: timedelta


async def claim_deliveries(tx: Tx) -> list[Claimed]:
    """Take what is due, as much as the rate limit allows soon; empty if nothing or not yet."""
    slots = await _slots(tx)
    deliveries = await tx.store.deliveries.claim(slots.count, timedelta(seconds=tx.settings.claim_seconds))
    if deliveries and slots.spacing:
        await tx.store.pace.move(slots.take(len(deliveries)).end)
    contacts = await tx.store.contacts.find({delivery.order_id for delivery in deliveries})
    return [
        Claimed(delivery, contacts[delivery.order_id], slots.start - tx.now + slots.spacing * position)
        for position, delivery in enumerate(deliveries)
    ]


async def _slots(tx: Tx) -> Slots:
    if not tx.settings.smtp_per_second:
        return Slots(tx.settings.send_batch, tx.now, timedelta(0))
    next_at = await tx.store.pace.hold()
    return free_slots(next_at, tx.now, tx.settings.smtp_per_second, tx.settings.send_batch)
