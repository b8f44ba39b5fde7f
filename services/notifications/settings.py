"""Everything that can be set about notifications; nothing else in this service reads the environment."""

from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from shared.runtime.settings import ServiceSettings


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise ValueError("is no time zone; take a name of the IANA database, e.g. Europe/Berlin") from None
    return name


class Settings(ServiceSettings):
    """OMS_NOTIFICATIONS_..."""

    model_config = SettingsConfigDict(env_prefix="OMS_NOTIFICATIONS_", frozen=True, extra="ignore")

    # Nobody waits for what is heard here.
    gather_seconds: float = Field(
        0.2,
        ge=0,
        le=1,
        description="batches begin no closer together than this: fewer, fuller ones, which cost each message less",
    )
    http_port: int = Field(8105, ge=0, le=65535, description="port the HTTP API listens on")

    smtp_host: str = Field("127.0.0.1", description="the mail server that takes our mails")
    smtp_port: int = Field(25, ge=1, le=65535, description="its port: 25, 587 (starttls) or 465 (tls)")
    smtp_security: Literal["none", "starttls", "tls"] = Field(
        "none", description="starttls and tls check the server's certificate; none only to a server next door"
    )
    smtp_certificates: str | None = Field(
        None, description="file with the authorities to trust instead of the system's (PEM)"
    )
    smtp_user: str | None = Field(None, description="user to log in as; none: no login")
    smtp_password: SecretStr | None = Field(None, description="password of smtp_user")
    smtp_timeout_seconds: float = Field(
        30.0, gt=0, le=60, description="longest wait for one answer of the server"
    )
    smtp_connections: int = Field(
        4, ge=1, le=50, description="connections a process sends a batch over at once"
    )
    smtp_per_second: float = Field(
        20.0, ge=0, le=10_000, description="mails per second, of all processes together; 0: no limit"
    )

    sender: str = Field(
        "orders@localhost", pattern=r"^[!-?A-~]+@[!-?A-~]+$", description="From address; bounces go there too"
    )
    shop_name: str = Field(
        "Online shop", min_length=1, max_length=100, description="the merchant, as customers know it"
    )
    support_address: str | None = Field(
        None, pattern=r"^[!-?A-~]+@[!-?A-~]+$", description="where customers may write; also the Reply-To"
    )
    time_zone: Annotated[str, AfterValidator(_zone)] = Field(
        "UTC", description="time zone in which dates are told (IANA name)"
    )
    fallback_language: str = Field("en", description="language for people whose own has no templates")

    send_batch: int = Field(100, ge=1, le=1000, description="mails claimed at once")
    claim_seconds: float = Field(
        300.0,
        ge=1,
        description="after this a process that claimed mails is taken for dead and others send them",
    )
    retry_first_seconds: float = Field(
        30.0, gt=0, description="wait after the first deferral; doubles each time"
    )
    retry_longest_seconds: float = Field(3600.0, gt=0, description="longest wait between two tries")
    give_up_hours: float = Field(72.0, gt=0, description="a mail not taken within this time has failed")
    keep_days: float = Field(
        730.0, gt=0, description="contacts and deliveries are deleted after this (personal data)"
    )

    @model_validator(mode="after")
    def _claims_outlast_mails(self) -> Self:
        # Half a claim is for beginning mails, and ending one takes up to three timeouts.
        if self.claim_seconds < 8 * self.smtp_timeout_seconds:
            raise ValueError("claim_seconds must be at least 8 times smtp_timeout_seconds")
        return self
