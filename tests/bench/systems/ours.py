"""Starting the suite: all five services through the entry points that every deployment uses."""

import asyncio
import secrets
import time
from collections.abc import Collection, Iterator

import httpx

from deploy.demo.datasets.model import Product, Stock
from deploy.demo.services import Http
from deploy.demo.setting_up import load as load_catalogue
from deploy.local import Platform, PlatformError, ports
from deploy.local.progress import Silent
from deploy.local.services import Services
from deploy.local.settings import SERVICES
from deploy.local.topics import apply
from shared.contracts.envelope import Address
from shared.contracts.inventory import Place
from tests.bench.load.orders import PLACES, PLENTY, SCARCE, SPLIT, SPREAD
from tests.bench.systems.system import LOGS, System, libpq

RECORDED = "SELECT id FROM orders WHERE id = ANY(%s) AND state = 'in_fulfillment'"
ALL_RECORDED = """SELECT order_id FROM order_timeline WHERE order_id = ANY(%s) AND kind = 'shipment.created'
                  GROUP BY order_id HAVING count(*) >= {parcels}"""


class Ours(System):
    """`copies` processes of each service, with their default settings."""

    def __init__(
        self,
        platform: Platform,
        surroundings: dict[str, str],
        *,
        copies: int = 1,
        services: Collection[str] = SERVICES,
        roles: str | None = None,
        extra: dict[str, str] | None = None,
    ) -> None:
        urls = {name: platform.create_database(f"bench_{name}") for name in SERVICES}
        super().__init__(
            "ours", platform, f"bench-{secrets.token_hex(3)}.", {n: libpq(u) for n, u in urls.items()}
        )
        self._copies = copies
        self._names = [name for name in SERVICES if name in services]
        self._roles = roles
        self._described = Services(
            platform, topic_prefix=self.prefix, extra=surroundings | (extra or {}), database_urls=urls
        )
        apply(platform.kafka, prefix=self.prefix)
        self._described.migrate(self._names)
        self.start()
        if "inventory" in self._names:
            asyncio.run(self._stock())
        self.analyze()

    def start(self) -> None:
        """Start every process and wait until all are ready."""
        self.metrics.clear()
        taken: list[int] = []
        for name in self._names:
            for number in range(self._copies):
                port = ports.choose(None, taken)
                taken.append(port)
                roles = ["--roles", self._roles] if self._roles else []
                log = LOGS / f"{self.prefix}{name}-{number}.log"
                self.launch(
                    name,
                    ["-m", f"services.{name}", "run", *roles],
                    self._described.environment(name, port),
                    log,
                )
                self.metrics.setdefault(name, []).append(f"http://{ports.HOST}:{port}/metrics")
        self.http = self.metrics["orders"][0].removesuffix("/metrics")
        self._wait_until_ready()

    def _wait_until_ready(self, patience: float = 90) -> None:
        until = time.monotonic() + patience
        waiting = [url.replace("/metrics", "/ready") for urls in self.metrics.values() for url in urls]
        while waiting:
            waiting = [url for url in waiting if not _ready(url)]
            dead = self.dead()
            if dead or time.monotonic() > until:
                raise PlatformError(f"not ready: {', '.join(dead or waiting)}", f"read {LOGS}")
            time.sleep(0.1)

    def recorded(self, parcels: int) -> str:
        """The state tells of the first parcel; of several the timeline tells."""
        return RECORDED if parcels == 1 else ALL_RECORDED.format(parcels=parcels)

    async def _stock(self) -> None:
        urls = {name: addresses[0].removesuffix("/metrics") for name, addresses in self.metrics.items()}
        async with Http(urls) as http:
            await load_catalogue(_Catalogue(), http, Silent())  # type: ignore[arg-type]


class _Catalogue:
    """The bench's catalogue in the form in which the demo loads one."""

    def places(self) -> Iterator[Place]:
        """Three warehouses."""
        for place, (city, code, country) in zip(
            PLACES,
            (("Berlin", "10115", "DE"), ("Lyon", "69001", "FR"), ("Madrid", "28001", "ES")),
            strict=True,
        ):
            yield Place(
                place_id=place, name=city, address=Address(city=city, postal_code=code, country=country)
            )

    def products(self) -> Iterator[Product]:
        """Every SKU, the one without stock too."""
        for sku in (*SPREAD, *(sku for sku, _ in SPLIT), SCARCE):
            yield Product(sku, f"Article {sku}", weight_g=400, size_mm=(200, 150, 80))

    def stock(self) -> Iterator[Stock]:
        """Plenty of each at every place, except what lies at one place."""
        for sku in SPREAD:
            for place in PLACES:
                yield Stock(sku, place, PLENTY)
        for sku, place in SPLIT:
            yield Stock(sku, place, PLENTY)


def _ready(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
