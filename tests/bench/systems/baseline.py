"""Starting the baseline of tests/bench/baseline."""

import secrets
import time

import psycopg

from deploy.local import Platform, PlatformError
from deploy.local.topics import apply, load
from tests.bench.load.orders import PLACES, PLENTY, SPREAD
from tests.bench.systems.system import LOGS, System, libpq

SERVICES = ("orders", "inventory", "fulfillment")
TOPICS = (
    "order.submitted", "order.placed", "order.cancelled", "order.refused", "order.confirmed", "stock.reserved",
    "stock.rejected", "payment.authorized", "payment.void_requested", "shipment.created",
)  # fmt: skip
RECORDED = "SELECT id FROM orders WHERE id = ANY(%s) AND shipment_id IS NOT NULL"


class Baseline(System):
    """Three processes, three databases, the topics they need."""

    def __init__(self, platform: Platform) -> None:
        databases = {name: libpq(platform.create_database(f"baseline_{name}")) for name in SERVICES}
        super().__init__("baseline", platform, f"baseline-{secrets.token_hex(3)}.", databases)
        apply(platform.kafka, [topic for topic in load() if topic.name in TOPICS], prefix=self.prefix)
        self.start()
        self._stock()

    def start(self) -> None:
        """Start all three and wait until they consume."""
        logs = {}
        for name in SERVICES:
            logs[name] = LOGS / f"{self.prefix}{name}.log"
            environment = {
                "BASELINE_DATABASE_URL": self.databases[name].replace(
                    "postgresql://", "postgresql+asyncpg://", 1
                ),
                "BASELINE_KAFKA": self.platform.kafka,
                "BASELINE_TOPIC_PREFIX": self.prefix,
            }
            self.launch(name, ["-m", f"tests.bench.baseline.{name}"], environment, logs[name])
        until = time.monotonic() + 60
        while not all(log.exists() and "ready" in log.read_text(errors="replace") for log in logs.values()):
            if time.monotonic() > until or self.dead():
                raise PlatformError(f"the baseline does not start: {self.dead()}", f"read {LOGS}")
            time.sleep(0.1)

    def recorded(self, parcels: int) -> str:
        """It ships every order from one place."""
        assert parcels == 1
        return RECORDED

    def _stock(self) -> None:
        with psycopg.connect(self.databases["inventory"]) as connection:
            connection.cursor().executemany(
                "INSERT INTO stock (sku, place_id, on_hand, reserved) VALUES (%s, %s, %s, 0)",
                [(sku, place, PLENTY) for sku in SPREAD for place in PLACES],
            )
