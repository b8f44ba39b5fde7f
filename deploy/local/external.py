"""Servers of a company's own: never started, never stopped, only asked whether they answer."""

from urllib.parse import urlsplit

from deploy.local import databases
from deploy.local.errors import PlatformError
from deploy.local.instance import Instance
from deploy.local.native_kafka import broker_count
from deploy.local.progress import Report
from deploy.local.provider import Server, StopMode
from deploy.local.settings import LocalSettings


class ExternalKafka(Server):
    """A Kafka cluster that somebody else runs."""

    def __init__(self, address: str) -> None:
        self._address = address

    def start(self, report: Report) -> bool:
        with report.step(f"Kafka at {self._address}: asking"):
            if not broker_count(self._address):
                raise PlatformError(
                    f"no Kafka answers at {self._address}", "check OMS_KAFKA (host:port[,host:port])"
                )
        return False

    def stop(self, mode: StopMode = "fast") -> None:
        """Not ours."""

    def purge(self) -> None:
        """Not ours."""

    def running(self) -> bool:
        return broker_count(self._address) > 0

    @property
    def address(self) -> str:
        return self._address

    @property
    def version(self) -> str:
        return "unknown"  # the protocol tells which requests a broker knows, not its version

    @property
    def pid(self) -> int | None:
        return None


class ExternalPostgres(Server):
    """A PostgreSQL server that somebody else runs."""

    def __init__(self, address: str) -> None:
        # The same address works for SQLAlchemy and for psycopg.
        self._address = address.replace("postgresql+psycopg://", "postgresql://")
        self._version: str | None = None
        parts = urlsplit(self._address)
        if parts.scheme not in ("postgresql", "postgres") or not parts.hostname or not parts.username:
            raise PlatformError(
                "OMS_POSTGRES is not the address of a PostgreSQL server",
                "write it as postgresql://role:password@host:port/database",
            )

    def start(self, report: Report) -> bool:
        with report.step(f"PostgreSQL at {urlsplit(self._address).hostname}: asking"):
            self._version = databases.server_version(self._address)
        return False

    def stop(self, mode: StopMode = "fast") -> None:
        """Not ours."""

    def purge(self) -> None:
        """Not ours."""

    def running(self) -> bool:
        try:
            databases.connect(self._address).close()
        except PlatformError:
            return False
        return True

    @property
    def address(self) -> str:
        return self._address

    @property
    def version(self) -> str:
        if self._version is None:
            self._version = databases.server_version(self._address)
        return self._version

    @property
    def pid(self) -> int | None:
        return None


class External:
    """Kafka and PostgreSQL at addresses given in the environment."""

    name = "external"

    def __init__(self, settings: LocalSettings) -> None:
        self._settings = settings

    def kafka(self, instance: Instance, *, any_port: bool) -> Server:
        if self._settings.kafka is None:
            raise PlatformError("OMS_PLATFORM is external, but OMS_KAFKA is not set", "set it to host:port")
        return ExternalKafka(self._settings.kafka)

    def postgres(self, instance: Instance, *, any_port: bool) -> Server:
        if self._settings.postgres is None:
            raise PlatformError(
                "OMS_PLATFORM is external, but OMS_POSTGRES is not set",
                "set it to postgresql://role:password@host:port/database",
            )
        return ExternalPostgres(self._settings.postgres)
