"""What notifications says: what people were told. No personal data: the delivery id finds the row."""

from typing import ClassVar

from shared.contracts.envelope import Code, Id, OrderEvent, Text


class NotificationEvent(OrderEvent):
    """One message to one person about one event of an order."""

    delivery_id: Id
    template: Code
    cause: Id


class NotificationSent(NotificationEvent):
    """The mail server took it."""

    topic: ClassVar[str] = "notification.sent"


class NotificationFailed(NotificationEvent):
    """It was given up; a person may send it again."""

    topic: ClassVar[str] = "notification.failed"

    reason: Text
