"""Kafka and PostgreSQL as processes of this machine, from package registries alone."""

from deploy.local.instance import Instance
from deploy.local.native_kafka import NativeKafka
from deploy.local.native_postgres import NativePostgres
from deploy.local.provider import Server
from deploy.local.settings import LocalSettings


class Native:
    """Needs neither Docker nor an installed Kafka, PostgreSQL or Java."""

    name = "native"

    def __init__(self, settings: LocalSettings) -> None:
        self._settings = settings

    def kafka(self, instance: Instance, *, any_port: bool) -> Server:
        return NativeKafka(instance, self._settings, any_port=any_port)

    def postgres(self, instance: Instance, *, any_port: bool) -> Server:
        return NativePostgres(instance, any_port=any_port)
