"""return.authorized: the customer learns that goods may come back, or that a parcel came back by itself."""

from collections.abc import Sequence

from services.notifications.domain.delivery import Notice
from services.notifications.handlers.announce import announce, shown_lines
from services.notifications.store import Tx
from shared.contracts.returns import ReturnAuthorized
from shared.messaging.message import Message


async def return_authorized(messages: Sequence[Message[ReturnAuthorized]], tx: Tx) -> None:
    """One mail per return. Who did not ask for one is not sent a return number but told why there is one."""
    await announce(messages, tx, _notice)


def _notice(authorized: ReturnAuthorized) -> Notice:
    asked_for = authorized.origin == "customer"
    return Notice(
        authorized.order_id,
        "return_authorized" if asked_for else "parcel_returned",
        cause=authorized.return_id,
        data={**shown_lines(authorized.units), "return_id": authorized.return_id},
    )
