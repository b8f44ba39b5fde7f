"""Everything about this service that can be set."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """`OMS_INVENTORY_<NAME>`; what all services share is in ServiceSettings."""

    model_config = SettingsConfigDict(env_prefix="OMS_INVENTORY_", frozen=True, extra="ignore")

    http_port: int = Field(8102, ge=0, le=65535, description="port the HTTP API listens on")
    max_page: int = Field(1_000, ge=100, le=10_000, description="most rows in one page of a list")
    audit_seconds: float = Field(
        3600.0, gt=0, description="how often counters are compared with the ledger's sums"
    )
    audit_timeout_seconds: float = Field(
        600.0, gt=0, description="how long one audit may take before it gives up"
    )
    keep_orders_days: float = Field(
        1_095.0,
        gt=0,
        description="days after which reservations are deleted, unless units are held; the ledger stays",
    )
