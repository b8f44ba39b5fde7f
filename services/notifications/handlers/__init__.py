"""What notifications listens to, on one page."""

from services.notifications.handlers.order_cancelled import order_cancelled
from services.notifications.handlers.order_confirmed import order_confirmed
from services.notifications.handlers.order_placed import order_placed
from services.notifications.handlers.refund_issued import refund_issued
from services.notifications.handlers.return_authorized import return_authorized
from services.notifications.handlers.shipment_delivered import shipment_delivered
from services.notifications.handlers.shipment_dispatched import shipment_dispatched
from shared.contracts.fulfillment import ShipmentDelivered, ShipmentDispatched
from shared.contracts.orders import OrderCancelled, OrderConfirmed, OrderPlaced, RefundIssued
from shared.contracts.returns import ReturnAuthorized
from shared.messaging.message import Route

ROUTES = (
    Route(order_placed, (OrderPlaced,)),
    Route(order_confirmed, (OrderConfirmed,)),
    Route(order_cancelled, (OrderCancelled,)),
    Route(shipment_dispatched, (ShipmentDispatched,)),
    Route(shipment_delivered, (ShipmentDelivered,)),
    Route(return_authorized, (ReturnAuthorized,)),
    Route(refund_issued, (RefundIssued,)),
)
