"""What returns listens to."""

from services.returns.handlers.order_confirmed import order_confirmed
from services.returns.handlers.refund_issued import refund_issued
from services.returns.handlers.shipment_cancelled import shipment_cancelled
from services.returns.handlers.shipment_delivered import shipment_delivered
from services.returns.handlers.shipment_lost import shipment_lost
from services.returns.handlers.shipment_returned_to_sender import shipment_returned_to_sender
from shared.contracts.fulfillment import (
    ShipmentCancelled,
    ShipmentDelivered,
    ShipmentLost,
    ShipmentReturnedToSender,
)
from shared.contracts.orders import OrderConfirmed, RefundIssued
from shared.messaging.message import Route

ROUTES = (
    Route(order_confirmed, (OrderConfirmed,)),
    Route(shipment_delivered, (ShipmentDelivered,)),
    Route(shipment_returned_to_sender, (ShipmentReturnedToSender,)),
    Route(shipment_lost, (ShipmentLost,)),
    Route(shipment_cancelled, (ShipmentCancelled,)),
    Route(refund_issued, (RefundIssued,)),
)
