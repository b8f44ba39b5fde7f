"""What fulfillment listens to."""

from services.fulfillment.handlers.order_cancel_requested import order_cancel_requested
from services.fulfillment.handlers.order_confirmed import order_confirmed
from services.fulfillment.handlers.tracking_submitted import tracking_submitted
from shared.contracts.carriers import ShipmentTrackingSubmitted
from shared.contracts.orders import OrderCancelRequested, OrderConfirmed
from shared.messaging.message import Route

ROUTES = (
    Route(order_confirmed, (OrderConfirmed,)),
    Route(order_cancel_requested, (OrderCancelRequested,)),
    Route(tracking_submitted, (ShipmentTrackingSubmitted,), accept_invalid=True),
)
