"""The settings of the local platform; nothing else in this package reads the environment."""

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from deploy.local.errors import PlatformError

ROOT = Path(__file__).resolve().parents[2]
"""The checkout: where `python -m services.<name>` can be run."""

SERVICES = ("orders", "inventory", "fulfillment", "returns", "notifications")

ProviderName = Literal["external", "containers", "native"]


class LocalSettings(BaseSettings):
    """Where the platform comes from and where its data lies."""

    model_config = SettingsConfigDict(env_prefix="OMS_", frozen=True, extra="ignore", populate_by_name=True)

    platform: ProviderName | None = Field(
        default=None, description="Force where Kafka and PostgreSQL come from; unset: the first that works."
    )
    kafka: str | None = Field(
        default=None, description="host:port[,host:port] of a Kafka of your own; used instead of a local one."
    )
    postgres: str | None = Field(
        default=None,
        description="postgresql:// address of a role that may create roles and databases on a server of your own.",
    )
    database_prefix: str = Field(
        default="",
        description="Put before database and role names, for a PostgreSQL server shared with others.",
    )
    topic_prefix: str = Field(
        default="", description="Put before topic names, for a Kafka cluster shared with others."
    )
    local: Path = Field(
        default=ROOT / ".local", description="Folder for data, logs and process ids of the local platform."
    )
    cache: Path | None = Field(
        default=None, description="Folder for downloads that all checkouts share; default ~/.cache/oms."
    )
    xdg_cache_home: Path | None = Field(
        default=None,
        validation_alias=AliasChoices("XDG_CACHE_HOME", "xdg_cache_home"),
        description="The usual place of caches, if not ~/.cache.",
    )
    java_home: Path | None = Field(
        default=None,
        validation_alias=AliasChoices("JAVA_HOME", "java_home"),
        description="A Java runtime to prefer to the one on the PATH.",
    )

    @property
    def cache_folder(self) -> Path:
        return self.cache or (self.xdg_cache_home or Path.home() / ".cache") / "oms"


def load_settings() -> LocalSettings:
    """The settings in force; a wrong one is refused with its name."""
    try:
        return LocalSettings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "OMS_" + "_".join(str(part) for part in first["loc"]).upper()
        raise PlatformError(f"{name}: {first['msg']}", f"set {name} to a valid value or unset it") from error
