"""Statements find their rows by the intended index where tables are long: a year's orders behind us.

Nothing here depends on speed: plans are read and pages are counted.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from services.fulfillment.store.shipments import Filter as Parcels
from services.orders.store.listing import Filter as Orders
from services.returns.store import Filter as Returns
from shared.messaging import dead_letters, schema, upkeep
from shared.messaging.dead_letters import Selection
from shared.messaging.relay import Relay
from shared.runtime.service import Service
from shared.telemetry.metrics import Metrics
from tests.component.guards import life
from tests.component.guards.chain import Chain
from tests.component.guards.counting import counted
from tests.component.guards.plans import carried_out, explainable, plans
from tests.harness import history
from tests.harness.service import until

pytestmark = [pytest.mark.platform, pytest.mark.slow, pytest.mark.timeout(600)]

ORDERS = 30_000
OPEN = 1_000
SIZE = 20
YEAR = timedelta(days=365)


@pytest.fixture(scope="module")
async def chain(services: dict[str, Service[Any, Any]]) -> Chain:
    """A long past in all five services, then every handler once more."""
    chain = Chain(services, life.bank)
    urls = {name: url_of(service) for name, service in services.items()}
    now = datetime.now(UTC)
    await life.stock_up(chain, len(life.SKUS))
    past = await life.past(chain)
    history.write(urls, past, first=now - YEAR, last=now, total=ORDERS)
    open_orders = await life.waiting(chain, past.messages)
    history.write(urls, open_orders, first=now - timedelta(days=2), last=now, total=OPEN)
    for service in services.values():
        async with service.engine.begin() as connection:
            for statement in _LITTER:
                await connection.execute(text(statement))
    with psycopg.connect(urls["inventory"], autocommit=True) as connection:
        for statement in _ARTICLES:
            connection.execute(statement)
    for url in urls.values():
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ANALYZE")
    chain.costs.clear()
    await life.everything(chain, SIZE)
    return chain


_LITTER = (
    # Parked messages that people dealt with, and a few that wait.
    """INSERT INTO dead_letters (topic, partition, message_offset, appended_at, headers, body, reason, error, state)
       SELECT 'order.placed', n % 6, n, now(), '[]', convert_to(repeat('x', 500), 'UTF8'), 'handler_error', 'boom',
              CASE WHEN n % 200 = 0 THEN 'parked' ELSE 'replayed' END FROM generate_series(1, 20000) n""",
    """INSERT INTO dead_letter_actions (dead_letter_id, action, by, why)
       SELECT id, state, 'somebody', 'mended' FROM dead_letters WHERE state <> 'parked'""",
    """INSERT INTO idempotency (scope, key, fingerprint, status, answer, created_at)
       SELECT 'POST /things', n::text, 'f', 200, '{"body": {}, "headers": {}}', now() - n * interval '10 seconds'
       FROM generate_series(1, 20000) n""",
)

_ARTICLES = (
    "INSERT INTO skus (sku) SELECT 'OTHER-' || n FROM generate_series(1, 20000) n",
    """INSERT INTO stock (sku, place_id, on_hand, reserved, unavailable)
       SELECT 'OTHER-' || n, 'place-' || n % 50, 10, 0, 0 FROM generate_series(1, 20000) n""",
)

_OUTAGE = (
    # What an outage of the broker leaves: few rows in a table that was long.
    """INSERT INTO outbox (shard, topic, key, headers, body)
       SELECT 0, 'order.placed', n::text, '[]', convert_to(repeat('x', 700), 'UTF8')
       FROM generate_series(1, 40000) n""",
    "DELETE FROM outbox WHERE id <= (SELECT max(id) - 500 FROM outbox)",
)

SMALL = {"places", "pace", "progress", "alembic_version"}
"""Tables that do not grow with orders or articles: reading them whole is right."""
SMALL_INDEXES = tuple(f"{table}_" for table in SMALL)


# --- Handlers ------------------------------------------------------------------------------------------------

_STOCK = {"skus_pkey", "stock_pkey", "stock_place"}
_RESERVED = _STOCK | {"reservations_pkey", "allocations_pkey", "parcels_pkey"}
_PARCELS = {"fulfillment_orders_pkey", "shipments_pkey"}
_RETURNS = {"returnables_pkey", "returns_pkey", "returns_order"}
INTENDED: Mapping[str, set[str]] = {
    "orders.order_cancel_submitted": {"orders_name", "orders_pkey"},
    "orders.order_facts": {"orders_pkey"},
    "orders.order_submitted": set(),
    "inventory.adjustment_submitted": _STOCK,
    "inventory.order_cancelled": _RESERVED,
    "inventory.order_placed": _RESERVED,
    "inventory.put_places": set(),
    "inventory.put_skus": {"skus_pkey"},
    "inventory.return_received": _STOCK,
    "inventory.shipment_cancelled": _RESERVED,
    "inventory.shipment_dispatched": _RESERVED,
    "fulfillment.dispatch": _PARCELS,
    "fulfillment.order_cancel_requested": _PARCELS | {"shipments_order_place"},
    "fulfillment.order_confirmed": set(),
    "fulfillment.pack": _PARCELS,
    "fulfillment.pick": _PARCELS,
    "fulfillment.tracking_submitted": _PARCELS | {"shipments_tracking"},
    "returns.authorize_return": _RETURNS,
    "returns.order_confirmed": _RETURNS,
    "returns.receive_return": _RETURNS,
    "returns.refund_issued": _RETURNS,
    "returns.shipment_cancelled": _RETURNS,
    "returns.shipment_delivered": _RETURNS,
    "returns.shipment_lost": _RETURNS,
    "returns.shipment_returned_to_sender": _RETURNS,
    "notifications.order_cancelled": {"contacts_pkey"},
    "notifications.order_confirmed": {"contacts_pkey"},
    "notifications.order_placed": {"contacts_pkey", "deliveries_once"},
    "notifications.refund_issued": {"contacts_pkey"},
    "notifications.return_authorized": {"contacts_pkey"},
    "notifications.shipment_delivered": {"contacts_pkey"},
    "notifications.shipment_dispatched": {"contacts_pkey"},
}
"""Indexes by which each handler finds rows; what it only inserts it need not find."""


def test_every_handler_is_looked_at(chain: Chain) -> None:
    """A new handler needs its indexes written down."""
    assert set(chain.costs) == set(INTENDED)


@pytest.mark.parametrize("handler", INTENDED)
def test_a_handler_finds_its_rows_by_the_intended_indexes(
    chain: Chain, services: dict[str, Service[Any, Any]], handler: str
) -> None:
    """Whatever PostgreSQL thinks of the values: prepared statements are planned without them too."""
    sent = {sent.text: sent for _, cost in chain.costs[handler] for sent in cost.sent}
    with psycopg.connect(url_of(services[handler.partition(".")[0]]), autocommit=True) as connection:
        for plan in (plan for one in sent.values() for plan in plans(connection, one)):
            read = plan.scanned | plan.walked
            assert read <= SMALL, f"{plan.kind}, reads all of {read}: {plan}"
            assert {name for name in plan.indexes if not name.startswith(SMALL_INDEXES)} <= INTENDED[
                handler
            ], plan


def url_of(service: Service[Any, Any]) -> str:
    """For psycopg."""
    return service.settings.database_url.replace("+psycopg", "")


# --- Lists of the APIs, jobs, purges ---------------------------------------------------------------------

PAGES = 150
"""Most pages one look may touch: a page of 51 rows, each on a page of its own, and the way to them."""

Look = Callable[[Service[Any, Any]], Awaitable[Any]]


def reads(query: Callable[[Any], Awaitable[Any]]) -> Look:
    """A question to the store, as the API asks it."""

    async def look(service: Service[Any, Any]) -> None:
        async with service.read() as store:
            await query(store)

    return look


def writes(command: Callable[[Any], Awaitable[Any]]) -> Look:
    """A change by a job."""

    async def look(service: Service[Any, Any]) -> None:
        async with service.transaction() as tx:
            await command(tx)

    return look


def upkeeps(work: Callable[[Any], Awaitable[Any]]) -> Look:
    """What every service does beside its own."""

    async def look(service: Service[Any, Any]) -> None:
        async with service.unit.begin() as (session, _):
            await work(session)

    return look


def orders(after: str | None = None, **wanted: Any) -> Look:
    """A page of orders."""
    return reads(lambda store: store.listing.page(Orders(**wanted), after, 51))


def parcels(after: Any = None, **wanted: Any) -> Look:
    """A page of parcels."""
    return reads(lambda store: store.shipments.page(Parcels(**wanted), after, 50))


def returns(after: Any = None, **wanted: Any) -> Look:
    """A page of returns."""
    return reads(lambda store: store.returns.page(Returns(**wanted), after, 51))


def deliveries(**wanted: Any) -> Look:
    """A page of deliveries."""
    every = dict.fromkeys(("order_id", "state", "template", "after")) | {"limit": 51}
    return reads(lambda store: store.deliveries.page(**(every | wanted)))


def ledger(**wanted: Any) -> Look:
    """A page of movements."""
    every = dict.fromkeys(("before", "sku", "place_id", "cause")) | {"limit": 101}
    return reads(lambda store: store.reports.page_of_ledger(**(every | wanted)))


def levels(**wanted: Any) -> Look:
    """A page of quantities."""
    every = dict.fromkeys(("after", "sku", "place_id")) | {"limit": 101}
    return reads(lambda store: store.reports.page_of_levels(**(every | wanted)))


MIDDLE = datetime.now(UTC) - YEAR / 2
DAY = timedelta(days=1)
LOOKS: Mapping[str, tuple[Look, int]] = {
    "orders: newest": (orders(), PAGES),
    "orders: next page": (orders(after="01930000-0000-7000-8000-000000000000"), PAGES),
    "orders: of a state": (orders(state="awaiting_payment"), PAGES),
    "orders: of a state nobody is in": (orders(state="on_hold"), OPEN + PAGES),
    "orders: of a channel": (orders(channel="shop"), PAGES),
    "orders: of a channel nobody uses": (orders(channel="phone"), PAGES),
    "orders: by its name": (orders(channel="shop", external_id="history-777"), PAGES),
    "orders: by its name without channel": (orders(external_id="history-777"), PAGES),
    "orders: of a customer": (orders(email="guard7@example.com"), PAGES),
    "orders: placed on a day": (orders(placed_from=MIDDLE, placed_before=MIDDLE + DAY), 3 * ORDERS // 365 + PAGES),
    "orders: for people": (orders(needs_attention=True), PAGES),
    "orders: timeline": (reads(lambda store: store.listing.timeline("01930000-0000-7000-8000-0")), PAGES),
    "orders: deadlines": (writes(lambda tx: tx.store.orders.due(tx.now, 200)), 3 * 200 + PAGES),
    "orders: count by state": (reads(lambda store: store.listing.stages()), 2 * OPEN + PAGES),
    "orders: count overdue": (reads(lambda store: store.listing.overdue()), 2 * OPEN + PAGES),
    "orders: count for people": (reads(lambda store: store.listing.attention()), PAGES),
    "orders: purge": (writes(lambda tx: tx.store.listing.purge(tx.now - 3 * YEAR, tx.now - 30 * DAY, 200)), PAGES),
    "inventory: ledger": (ledger(), PAGES),
    "inventory: ledger of a SKU": (ledger(sku="GUARD-007"), 4 * ORDERS // 500 + PAGES),
    "inventory: ledger of a place": (ledger(place_id="guard-place"), PAGES),
    "inventory: ledger of a place nobody uses": (ledger(place_id="elsewhere"), PAGES),
    "inventory: ledger of an order": (ledger(cause="01930000-0000-7000-8000-000000000000"), PAGES),
    "inventory: levels": (levels(), PAGES),
    "inventory: next levels": (levels(after=("GUARD-200", "guard-place")), PAGES),
    "inventory: levels of a place": (levels(place_id="guard-place"), PAGES),
    "inventory: reservation": (reads(lambda store: store.reservations.find("01930000-0000-7000-8000-0")), PAGES),
    "fulfillment: oldest": (parcels(), PAGES),
    "fulfillment: next page": (parcels(after=(MIDDLE, "")), PAGES),
    "fulfillment: of a state": (parcels(state="delivered"), PAGES),
    "fulfillment: of an order": (parcels(order_id="01930000-0000-7000-8000-000000000000"), PAGES),
    "fulfillment: for people": (parcels(attention=True), PAGES),
    "fulfillment: work of a place": (parcels(state="created", place_id="guard-place"), PAGES),
    "fulfillment: work of a place nobody uses": (parcels(state="created", place_id="elsewhere"), PAGES),
    "fulfillment: stations of a place": (reads(lambda store: store.shipments.open_by_state("guard-place")), PAGES),
    "fulfillment: silent": (writes(lambda tx: tx.store.shipments.silent_since(tx.now - 5 * DAY, 200)), PAGES),
    "fulfillment: count for people": (reads(lambda store: store.shipments.flagged()), PAGES),
    "fulfillment: erase": (writes(lambda tx: tx.store.orders.erase_recipients(tx.now - 2 * YEAR, 200)), PAGES),
    "returns: oldest": (returns(), PAGES),
    "returns: next page": (returns(after=(MIDDLE, "")), PAGES),
    "returns: of a state": (returns(state="closed"), PAGES),
    "returns: of an order": (returns(order_id="01930000-0000-7000-8000-000000000000"), PAGES),
    "returns: expired": (writes(lambda tx: tx.store.returns.due(tx.now, 200)), PAGES),
    "returns: count by state": (reads(lambda store: store.returns.open_by_state()), PAGES),
    "notifications: newest": (deliveries(), PAGES),
    "notifications: of an order": (deliveries(order_id="01930000-0000-7000-8000-000000000000"), PAGES),
    "notifications: of a state": (deliveries(state="failed"), PAGES),
    "notifications: anything due": (reads(lambda store: store.deliveries.any_due()), PAGES),
    "notifications: purge": (writes(lambda tx: tx.store.deliveries.purge(2 * YEAR, 1000)), PAGES),
    "notifications: purge contacts": (writes(lambda tx: tx.store.contacts.purge(2 * YEAR, 1000)), PAGES),
    "returns: purge inbox": (upkeeps(lambda session: upkeep.purge(session, schema.inbox, "received_at", 30)), PAGES),
    "orders: purge inbox": (upkeeps(lambda session: upkeep.purge(session, schema.inbox, "received_at", 30)), PAGES),
    "orders: purge answers": (
        upkeeps(lambda session: upkeep.purge(session, schema.idempotency, "created_at", 30)), PAGES
    ),
    "orders: parked": (upkeeps(lambda session: dead_letters.parked(session, Selection())), 5 * PAGES),
    "orders: parked of a topic": (
        upkeeps(lambda session: dead_letters.parked(session, Selection(topic="order.placed"))), 5 * PAGES
    ),
    "orders: count parked": (upkeeps(dead_letters.counts), 2 * PAGES),
    "orders: parked by reason": (upkeeps(lambda session: dead_letters.summary(session, Selection())), 2 * PAGES),
}  # fmt: skip


@pytest.mark.parametrize("what", LOOKS)
async def test_a_look_touches_few_pages_however_long_the_past(
    chain: Chain, services: dict[str, Service[Any, Any]], what: str
) -> None:
    """Neither a filter that nothing matches nor a purge with nothing to purge reads a table."""
    look, most = LOOKS[what]
    service = services[what.partition(":")[0]]
    with counted() as cost:
        await look(service)
    with psycopg.connect(url_of(service), autocommit=True) as connection:
        done = [carried_out(connection, sent) for sent in cost.sent if explainable(sent)]
    assert any(plan.pages for plan in done), "nothing was looked at"
    for plan in done:
        assert plan.scanned <= SMALL, f"reads all of {plan.scanned}: {plan}"
    assert sum(plan.pages for plan in done) <= most, done


# --- The relay ---------------------------------------------------------------------------------------------


class Taker:
    """A broker's client that takes everything."""

    def __init__(self, **_: Any) -> None:
        pass

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def partitions_for(self, _: str) -> set[int]:
        return set(range(6))

    async def send_batch(self, *_: Any, **__: Any) -> Awaitable[None]:
        return asyncio.sleep(0)


async def test_the_relay_finds_its_rows_in_an_outbox_that_was_long(
    chain: Chain, services: dict[str, Service[Any, Any]]
) -> None:
    """Dead rows in front of the living cost a few pages of the index, not the table."""
    service = services["orders"]
    with psycopg.connect(url_of(service), autocommit=True) as connection:
        for statement in _OUTAGE:
            connection.execute(statement)
        relay = Relay(
            database_url=service.settings.database_url,
            bootstrap="",
            service="orders",
            shard=0,
            metrics=Metrics("plans"),
            tracing=service.tracing,
            idle_poll_seconds=0.05,
            producer=Taker,  # type: ignore[arg-type]
        )
        with counted() as cost:
            running = asyncio.create_task(relay.run())
            await until(
                lambda: not connection.execute("SELECT 1 FROM outbox LIMIT 1").fetchall(), "all is sent"
            )
            relay.stop()
            await running
        read = next(sent for sent in cost.sent if "octet_length" in sent.text)
        gone = next(sent for sent in cost.sent if sent.text.startswith("DELETE"))
        connection.execute("SET enable_seqscan = off")
        assert [plan.indexes for plan in plans(connection, read)] == [{"outbox_pkey"}] * 2
        assert [plan.indexes for plan in plans(connection, gone)] == [{"outbox_pkey"}] * 2
        # Once nobody can see the dead any more, the first who passes marks them for all.
        await until(lambda: carried_out(connection, read).pages < 300, "reading touches few pages")
