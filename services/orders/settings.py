"""What orders can be told from outside; nothing else reads the environment."""

from datetime import timedelta

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.orders.domain.deadlines import Windows
from services.orders.domain.validate import Policy
from shared.contracts.envelope import MAX_LINES
from shared.runtime.settings import ServiceSettings

_MINUTE, _DAY = 60.0, 86_400.0


class Settings(ServiceSettings):
    """Environment variables `OMS_ORDERS_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="OMS_ORDERS_", frozen=True, extra="ignore")

    http_port: int = Field(8101, ge=0, le=65535, description="port the HTTP API listens on")
    channels: tuple[str, ...] = Field(
        ("shop", "marketplace", "phone", "olist", "online-retail"),
        min_length=1,
        description="channels that may send orders, as a JSON list; orders of others are refused. The last two are"
        " those of the demo's data sets",
    )
    max_lines: int = Field(
        MAX_LINES,
        ge=1,
        le=MAX_LINES,
        description="lines an order may have; more is refused. The contract allows no more than the default",
    )
    stock_seconds: float = Field(
        30 * _MINUTE,
        gt=0,
        description="an order without an answer about stock for this long is cancelled; longer than any outage"
        " that is to be ridden out",
    )
    payment_seconds: float = Field(
        3 * _DAY,
        gt=0,
        description="an order whose stock is held and that is not paid for this long is cancelled",
    )
    hold_seconds: float = Field(3 * _DAY, gt=0, description="a hold older than this is put before a person")
    cancel_answer_seconds: float = Field(
        _DAY,
        gt=0,
        description="a cancellation fulfilment has not answered for this long is put before a person",
    )
    shipment_seconds: float = Field(
        3 * _DAY,
        gt=0,
        description="a parcel not dispatched this long after confirmation is put before a person",
    )
    delivery_seconds: float = Field(
        14 * _DAY,
        gt=0,
        description="a parcel under way without news for longer than this is put before a person",
    )
    payment_answer_seconds: float = Field(
        _DAY, gt=0, description="a payment request unanswered for this long is put before a person"
    )
    deadline_poll_seconds: float = Field(5.0, gt=0, description="how often deadlines are looked at")
    keep_orders_days: float = Field(
        1_095.0,
        gt=0,
        description="orders that were over for this long are deleted, their timelines with them",
    )
    keep_expected_days: float = Field(
        30.0, gt=0, description="how long a cancellation waits for an order that never came"
    )

    @property
    def policy(self) -> Policy:
        """What orders are taken."""
        return Policy(self.channels, self.max_lines)

    @property
    def windows(self) -> Windows:
        """How long an order may wait for each thing."""
        return Windows(
            stock=timedelta(seconds=self.stock_seconds),
            payment=timedelta(seconds=self.payment_seconds),
            hold=timedelta(seconds=self.hold_seconds),
            cancel_answer=timedelta(seconds=self.cancel_answer_seconds),
            shipment=timedelta(seconds=self.shipment_seconds),
            delivery=timedelta(seconds=self.delivery_seconds),
            payment_answer=timedelta(seconds=self.payment_answer_seconds),
        )
