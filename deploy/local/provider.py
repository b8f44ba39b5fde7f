"""The one interface behind which Kafka and PostgreSQL may come from anywhere."""

from abc import ABC, abstractmethod
from typing import Literal, Protocol

from deploy.local.instance import Instance
from deploy.local.progress import Report

StopMode = Literal["fast", "smart", "immediate", "kill"]


class Server(ABC):
    """One running Kafka or PostgreSQL.

    `start` may be called at any time, whatever happened before: it ends with a server that answers, and says whether
    this call started it. `stop` stops only what a `start` of this instance started, and keeps the data.
    """

    @abstractmethod
    def start(self, report: Report) -> bool: ...

    @abstractmethod
    def stop(self, mode: StopMode = "fast") -> None: ...

    @abstractmethod
    def purge(self) -> None:
        """Delete the data of a stopped server."""

    @abstractmethod
    def running(self) -> bool: ...

    @property
    @abstractmethod
    def address(self) -> str:
        """Kafka: bootstrap servers. PostgreSQL: the postgresql:// address of a role that may create databases."""

    @property
    @abstractmethod
    def version(self) -> str: ...

    @property
    @abstractmethod
    def pid(self) -> int | None:
        """The server's process on this machine, if it has one here."""


class Provider(Protocol):
    """A source of servers."""

    name: str

    def kafka(self, instance: Instance, *, any_port: bool) -> Server: ...

    def postgres(self, instance: Instance, *, any_port: bool) -> Server: ...
