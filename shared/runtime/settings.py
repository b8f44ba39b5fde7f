"""Settings every service has. Nothing else reads the environment."""

import os
from typing import Any, TypeVar

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

T = TypeVar("T", bound="ServiceSettings")


class InvalidSettings(SystemExit):
    """The environment does not make a valid configuration; the message names each setting and the remedy."""


class ServiceSettings(BaseSettings):
    """What a service needs to run. Each variable is `OMS_<SERVICE>_<NAME>`, or `OMS_<NAME>` for all five."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    database_url: str = Field(
        description="postgresql+psycopg://user:password@host:port/database of this service"
    )
    kafka: str = Field("127.0.0.1:9092", description="bootstrap servers, host:port[,host:port]")
    topic_prefix: str = Field("", description="put before every topic and group name, for a shared cluster")
    http_host: str = Field("127.0.0.1", description="address the HTTP API listens on")
    http_port: int = Field(8100, ge=0, le=65535, description="port the HTTP API listens on")
    pool_size: int = Field(10, ge=2, le=200, description="database connections per process")
    outbox_shards: int = Field(
        1, ge=1, le=64, description="outbox shards; change only while the outbox is empty"
    )
    relay_idle_poll_seconds: float = Field(
        0.05, gt=0, le=5, description="how often an idle relay looks for rows"
    )
    batch_records: int = Field(500, ge=1, le=5000, description="most records handled in one transaction")
    gather_seconds: float = Field(
        0.0,
        ge=0,
        le=1,
        description="batches begin no closer together than this: fewer, fuller ones, which cost each message less",
    )
    session_timeout_ms: int = Field(10_000, ge=6_000, description="Kafka group session timeout")
    drain_seconds: float = Field(25.0, gt=0, description="longest wait for a batch at a stop or rebalance")
    breaker_limit: int = Field(
        20, ge=1, description="messages parked in a row by handlers before the breaker opens"
    )
    stuck_seconds: float = Field(
        120.0, gt=0, description="no progress despite lag for this long ends the process"
    )
    progress_seconds: float = Field(2.0, gt=0, description="how often the consumed position is stored")
    inbox_days: float = Field(
        21.0, gt=0, description="how long handled message ids are remembered (> topic retention)"
    )
    dead_letter_days: float = Field(
        90.0, gt=0, description="how long parked messages are kept after a person dealt with them"
    )
    idempotency_hours: float = Field(
        72.0, gt=0, description="how long answers are kept under an Idempotency-Key"
    )
    max_body_bytes: int = Field(1_048_576, ge=1024, description="largest HTTP request body")
    max_page: int = Field(500, ge=100, le=10_000, description="most rows in one page of a list")
    client_rate: float = Field(
        0.0,
        ge=0,
        description="requests per second that one client may send to one process on average, else 429; 0: no limit,"
        " because a gateway that knows its clients limits them better",
    )
    client_burst: int = Field(100, ge=1, description="requests of one client at once before its rate counts")
    client_header: str | None = Field(
        None,
        description="header in which a gateway names the client; without it a client is its address. Only for a"
        " gateway that sets or removes it itself",
    )
    intake_max_outbox: int = Field(
        100_000,
        ge=1,
        description="messages waiting to be sent beyond which new work is answered 429: a broker that is away for"
        " long must not fill the disk",
    )
    intake_max_lag: int = Field(
        100_000,
        ge=1,
        description="messages waiting to be read by this process beyond which new work is answered 429",
    )
    otlp_endpoint: str | None = Field(
        None, description="OTLP/HTTP endpoint for traces; none: no tracing, no cost"
    )
    trace_ratio: float = Field(0.05, ge=0, le=1, description="share of orders that are traced")
    log_level: str = Field("info", description="debug, info, warning or error")
    version: str = Field("0.1.0", description="release shown in build_info and traces")

    @field_validator("database_url")
    @classmethod
    def _is_psycopg(cls, url: str) -> str:
        if not url.startswith("postgresql+psycopg://"):
            raise ValueError("must start with postgresql+psycopg://")
        return url


class _ForAll(BaseSettings):
    """The variables that all five services share, read as text and checked by each service's settings."""

    model_config = SettingsConfigDict(env_prefix="OMS_", extra="ignore")

    kafka: str | None = None
    topic_prefix: str | None = None
    max_page: str | None = None
    client_rate: str | None = None
    client_burst: str | None = None
    client_header: str | None = None
    intake_max_outbox: str | None = None
    intake_max_lag: str | None = None
    otlp_endpoint: str | None = None
    trace_ratio: str | None = None
    log_level: str | None = None


def load(settings: type[T], **overrides: Any) -> T:
    """Read and check a service's settings; its own variables win over those for all services.

    Ends the process with every faulty setting named when they are wrong.
    """
    prefix = str(settings.model_config.get("env_prefix", ""))
    own = {name.lower() for name in os.environ}
    common = {
        name: value
        for name, value in _ForAll().model_dump(exclude_none=True).items()
        if f"{prefix}{name}".lower() not in own
    }
    try:
        return settings(**(common | overrides))
    except ValidationError as error:
        lines = [
            f"  {prefix}{str(fault['loc'][0]).upper() if fault['loc'] else ''}: {fault['msg']}"
            for fault in error.errors()
        ]
        raise InvalidSettings("wrong settings:\n" + "\n".join(lines)) from None
