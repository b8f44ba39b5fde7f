"""What returns can be told from outside; nothing else reads the environment."""

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from services.returns.domain.policy import Policy
from shared.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """Environment variables `OMS_RETURNS_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="OMS_RETURNS_", frozen=True, extra="ignore")

    # Nobody waits for what is heard here.
    gather_seconds: float = Field(
        0.2,
        ge=0,
        le=1,
        description="batches begin no closer together than this: fewer, fuller ones, which cost each message less",
    )
    http_port: int = Field(8104, ge=0, le=65535, description="port the HTTP API listens on")
    window_days: float = Field(
        30.0, gt=0, le=3650, description="days after a parcel's delivery in which its units may be returned"
    )
    warranty_days: float = Field(
        730.0,
        gt=0,
        le=3650,
        description="the same for the reason warranty; two years is the legal guarantee in the EU",
    )
    expire_days: float = Field(
        30.0,
        gt=0,
        le=3650,
        description="days after which an authorised return is given up if its goods never came",
    )
    ask_again_seconds: int = Field(
        3600, ge=1, description="Retry-After of a request to return what is not delivered yet"
    )

    keep_orders_days: float = Field(
        1_095.0,
        gt=0,
        description="days after which orders are forgotten with their returns, unless one still waits",
    )

    @model_validator(mode="after")
    def _keeps_what_may_come_back(self) -> Self:
        longest = max(self.window_days, self.warranty_days)
        if self.keep_orders_days < longest:
            raise ValueError(
                f"OMS_RETURNS_KEEP_ORDERS_DAYS ({self.keep_orders_days:g}) is shorter than the time to return"
                f" ({longest:g} days): make it longer"
            )
        return self

    @property
    def policy(self) -> Policy:
        """The merchant's terms in the form in which decisions take them."""
        return Policy(
            window=timedelta(days=self.window_days),
            warranty=timedelta(days=self.warranty_days),
            patience=timedelta(days=self.expire_days),
            ask_again=self.ask_again_seconds,
        )
