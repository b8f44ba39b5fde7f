"""What the service needs from outside Kafka and PostgreSQL; `adapters` has the real one, `app` hands it in."""

from typing import Protocol

from services.inventory.domain.geography import Located
from shared.value_object import value_object


class Gazetteer(Protocol):
    """Knows where cities, regions and countries are."""

    def locate(self, country: str, region: str | None, city: str | None) -> Located | None:
        """The most precise position known for an address; None when not even its country is known. Quick."""


@value_object
class Ports:
    """The adapters of this service."""

    gazetteer: Gazetteer
