"""What inventory listens to, and what it does about it: one file per message or command."""

from services.inventory.handlers.adjustment_submitted import adjustment_submitted
from services.inventory.handlers.order_cancelled import order_cancelled
from services.inventory.handlers.order_placed import order_placed
from services.inventory.handlers.return_received import return_received
from services.inventory.handlers.shipment_cancelled import shipment_cancelled
from services.inventory.handlers.shipment_dispatched import shipment_dispatched
from shared.contracts.fulfillment import ShipmentCancelled, ShipmentDispatched
from shared.contracts.orders import OrderCancelled, OrderPlaced
from shared.contracts.returns import ReturnReceived
from shared.contracts.warehouses import StockAdjustmentSubmitted
from shared.messaging.message import Route

ROUTES = (
    Route(order_placed, (OrderPlaced,)),
    Route(order_cancelled, (OrderCancelled,)),
    Route(shipment_dispatched, (ShipmentDispatched,)),
    Route(shipment_cancelled, (ShipmentCancelled,)),
    Route(return_received, (ReturnReceived,)),
    Route(adjustment_submitted, (StockAdjustmentSubmitted,), accept_invalid=True),
)
