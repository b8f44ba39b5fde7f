"""order.placed: now it is known whom to tell, and in which language."""

from collections.abc import Sequence
from dataclasses import replace

from services.notifications.domain.contact import Contact
from services.notifications.domain.delivery import address
from services.notifications.store import Tx
from shared.contracts.orders import OrderPlaced
from shared.messaging.message import Message


async def order_placed(messages: Sequence[Message[OrderPlaced]], tx: Tx) -> None:
    """Keep the contact of each order, once, and release what waited for it."""
    contacts = await tx.store.contacts.hold({message.event.order_id: message.trace for message in messages})
    learned = {}
    for message in messages:
        contact = contacts[message.event.order_id]
        if not contact.known:
            learned[contact.order_id] = contacts[contact.order_id] = _known(contact, message.event)

    waiting = await tx.store.deliveries.waiting(learned)
    released = [address(delivery, learned[delivery.order_id], tx.now) for delivery in waiting]

    await tx.store.contacts.save(contacts)
    await tx.store.deliveries.update(released)


def _known(contact: Contact, order: OrderPlaced) -> Contact:
    return replace(
        contact,
        known=True,
        email=order.contact.email,
        name=order.contact.name or order.address.name,
        locale=order.contact.locale,
        channel=order.channel,
        external_id=order.external_id,
        titles={line.line_id: line.title for line in order.lines if line.title},
        version=contact.version + 1,
    )
