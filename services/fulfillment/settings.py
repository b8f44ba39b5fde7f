"""What fulfillment can be told from outside; nothing else reads the environment."""

from pydantic import Field, FilePath, field_validator
from pydantic_settings import SettingsConfigDict

from shared.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """Environment variables `OMS_FULFILLMENT_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="OMS_FULFILLMENT_", frozen=True, extra="ignore")

    http_port: int = Field(8103, ge=0, le=65535, description="port the HTTP API listens on")
    gs1_prefix: str = Field(
        "0400000",
        pattern=r"^[0-9]{7,10}$",
        description="GS1 company prefix of tracking numbers (SSCC); the default is of the range that GS1 reserves"
        " for use inside one company: set your own before parcels leave your own drivers' hands",
    )
    tracking_url: str = Field(
        "",
        max_length=400,
        description="link customers follow, with {tracking_number} in it; empty: GET /tracking/... of this service",
    )
    label_font: FilePath | None = Field(
        None,
        description="TrueType font for PDF labels, tried before the built-in ones; for scripts these lack",
    )
    silent_days: int = Field(
        5, ge=1, le=90, description="days without a sign of a parcel before it is flagged"
    )
    keep_addresses_days: int = Field(
        180, ge=1, description="days after which the addresses of orders whose parcels all ended are erased"
    )
    keep_orders_days: int = Field(
        1_095,
        ge=1,
        description="days after which orders whose parcels all ended are deleted with their parcels",
    )

    @field_validator("label_font")
    @classmethod
    def _is_truetype(cls, path: FilePath | None) -> FilePath | None:
        if path is not None and path.read_bytes()[:4] not in (b"\x00\x01\x00\x00", b"true"):
            raise ValueError(
                "is not a font with TrueType outlines: give a .ttf file (.otf and .ttc will not do)"
            )
        return path
