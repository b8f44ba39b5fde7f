"""What orders listens to."""

from services.orders.handlers.order_cancel_submitted import order_cancel_submitted
from services.orders.handlers.order_facts import order_facts
from services.orders.handlers.order_submitted import order_submitted
from services.orders.handlers.reading import PAYMENTS, RETURNS, SHIPMENTS, STOCK
from shared.contracts.channels import OrderCancelSubmitted, OrderSubmitted
from shared.messaging.message import Route

ROUTES = (
    Route(order_submitted, (OrderSubmitted,), accept_invalid=True),
    Route(order_cancel_submitted, (OrderCancelSubmitted,), accept_invalid=True),
    Route(order_facts, (*STOCK, *PAYMENTS, *SHIPMENTS, *RETURNS)),
)
